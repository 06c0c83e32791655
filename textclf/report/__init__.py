"""Reports: figures of training and search, and the page of a run."""

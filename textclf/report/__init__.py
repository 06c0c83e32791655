"""Reports: pictures of training and of measures."""

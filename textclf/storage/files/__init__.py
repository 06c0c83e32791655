"""Files and folders of a path, as Spark reads them."""

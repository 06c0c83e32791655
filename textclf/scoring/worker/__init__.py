"""The workers' side of a scoring pass, without the pipeline file and the driver's modules."""

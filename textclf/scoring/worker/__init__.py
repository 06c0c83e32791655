"""What workers run of a scoring pass: no pipeline file, no driver."""

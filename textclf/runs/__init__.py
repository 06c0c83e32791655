"""Run records: what each run read, did and left, and what earlier ones say."""

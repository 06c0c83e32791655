"""Run records: what each run read, did and wrote, and how later runs read that."""

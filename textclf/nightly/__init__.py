"""One run a night: what is new is read, models are built anew where the rule says so, the day is scored."""

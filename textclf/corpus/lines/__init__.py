"""Lines of a source's files and the records in them: blocks, quoting, headers, parsing."""

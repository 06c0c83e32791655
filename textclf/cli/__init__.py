"""The command line for a person at a terminal: ``textclf COMMAND``."""

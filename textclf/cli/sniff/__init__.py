"""Detect the form of labelled data: encoding, fields, columns, labels."""

"""Labelled data of unknown form: encoding, fields, columns, labels."""

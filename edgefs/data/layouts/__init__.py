"""Layouts: how a folder or a table says which image is of which class, part and split."""

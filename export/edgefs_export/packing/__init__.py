"""Packing: the members of a bundle, written so that equal contents are equal bytes."""

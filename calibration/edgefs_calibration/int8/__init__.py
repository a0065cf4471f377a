"""Ranges for int8: which images they are measured on, what is measured, and channels brought to like ranges."""

"""Splits: which images are learned from, which ones choices are made on, and which ones test."""

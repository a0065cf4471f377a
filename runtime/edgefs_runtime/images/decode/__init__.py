"""Decoders, each of which turns the bytes of one container into a `Picture`."""

"""Decoders: from the bytes of one container to a `Picture`."""

"""The decision: a gallery snapshot, the head computed from it, and what may be refused as unknown."""

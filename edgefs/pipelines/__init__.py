"""Pipelines: the order of the work of one command, `adapt`, `evaluate`, `export` or `distill`."""

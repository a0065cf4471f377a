"""Fine-tuning, see `method`."""

"""What a command can be told, kept apart from torch and scikit-learn so that a help text loads neither."""

"""What a command can be told, where neither torch nor scikit-learn has to be loaded to know it."""

"""What every room of the runtime stands on: errors, files that appear whole, arrays, labels, the state folder."""

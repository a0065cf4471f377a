"""What is known of a network's graph before it runs: its nodes and weights as read, and the size of every array."""

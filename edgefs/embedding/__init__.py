"""The embedding network: a backbone tapped at several stages, run by torch, with what it remembers."""

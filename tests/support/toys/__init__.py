"""What a stranger adds, one file each: a method, a head, a backbone and a source of backbones.

CONTRIBUTING.md shows them in its recipes; `tests/edgefs/test_registration.py` registers them, one line each.
"""

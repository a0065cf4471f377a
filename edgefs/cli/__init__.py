"""The `edgefs` command. Each command is one module, loaded when it is called: `edgefs --help` loads none of them.

A command only parses and prints; the work is done by the library. Errors that a user can cause come out as one line
with exit status 1, wrong usage as click says it with exit status 2, and anything else keeps its traceback.
"""

from edgefs.cli.group import main

__all__ = ["main"]

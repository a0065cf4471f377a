"""`python -m edgefs` is the `edgefs` command."""

from edgefs.cli import main

if __name__ == "__main__":
    main(prog_name="edgefs")

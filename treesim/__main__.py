"""``python -m treesim``: the command line."""

from treesim.cli.main import main

if __name__ == "__main__":
    main(prog_name="treesim")

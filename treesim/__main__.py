"""``python -m treesim``: the command line."""

from treesim.cli.main import main

main(prog_name="treesim")

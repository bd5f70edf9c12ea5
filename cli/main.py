"""The console script ``treesim``."""

import click

from cli.demo import demo
from cli.generate import generate
from cli.look import export, inspect, sample, tv
from cli.output import Group


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="treesim")
def main() -> None:
    """The exact laboratory for inference-time scaling.

    Build a tree whose reference policy, reward and optimal twist are known exactly, and compute how far what a sampler
    returns is from what it should return. Start with: treesim demo blowup
    """


for command in (generate, inspect, tv, sample, export, demo):
    main.add_command(command)

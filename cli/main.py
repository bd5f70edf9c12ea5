"""The console script ``treesim``."""

import atexit
import gc
from pathlib import Path

import click

from treesim.cli.audit import audit
from treesim.cli.compare import compare
from treesim.cli.demo import demo
from treesim.cli.experiment import experiment
from treesim.cli.export import export
from treesim.cli.generate import generate
from treesim.cli.inspect import inspect
from treesim.cli.learn import learn
from treesim.cli.measure import measure
from treesim.cli.merge import merge
from treesim.cli.need import need
from treesim.cli.options import traceback_option
from treesim.cli.outcomes import outcomes
from treesim.cli.output import Group
from treesim.cli.plan import plan
from treesim.cli.results import results
from treesim.cli.sample import sample
from treesim.cli.scale import scale
from treesim.cli.score import score
from treesim.cli.stream import stream
from treesim.cli.sweep import sweep
from treesim.cli.tv import tv
from treesim.cli.unroll import unroll
from treesim.cli.verify import verify


@click.group(
    cls=Group,
    examples=("demo blowup", "generate --list"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="treesim")
@click.option(
    "--import",
    "modules",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE.py",
    help="Run a Python file first, such as one that registers samplers of your own; may be given again.",
)
@traceback_option()
def main(modules: tuple[Path, ...]) -> None:
    """The exact laboratory for inference-time scaling.

    Build a tree whose reference policy, reward and optimal twist are known exactly, and compute how far what a sampler
    returns is from what it should return. Start with: treesim demo blowup
    """
    # Imports leave many objects that stay: looking through them for cycles took a sixth of a short command, and once
    # more at its end a third.
    gc.set_threshold(200_000)
    atexit.register(gc.freeze)
    if modules:
        from treesim.runtime.user_code import run_file

        for path in modules:
            run_file(path)


for command in (
    generate, learn, inspect, outcomes, merge, unroll, stream, tv, compare, score, need, sample, measure, plan, verify,
    scale, sweep, results, experiment, export, audit, demo,
):  # fmt: skip
    main.add_command(command)
    for each in (command, *getattr(command, "commands", {}).values()):
        traceback_option(hidden=True)(each)

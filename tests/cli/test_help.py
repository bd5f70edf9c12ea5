"""Help that can be copied: specs stay whole, and examples run."""

import contextlib
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

from tests.cli.test_stream import TREE
from treesim import PERTURBATIONS, SAMPLERS
from treesim.cli.main import main
from treesim.measure import Recorder

MINE = """
import treesim

@treesim.register_sampler("mine")
class Mine:
    n: int = 1

    def simulate(self, oracle, rng):
        prefix = oracle.root
        while prefix.level < oracle.horizon:
            prefix = oracle.draw(prefix)
        return prefix
"""
GRID = """
[[grid]]
family = "product"
samplers = ["sp-gsmc", "importance:n=1", "importance:n=4"]
[grid.parameters]
horizon = [2, 3]
"""
# What takes more than a few seconds, or a library that may not be there, is only parsed.
LONG = ("demo", "experiment", "audit its-hub", "sweep grid.toml -o results.sqlite --jobs")


def commands(group=main, path=()):
    """Every command, by the words that call it."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


COMMANDS = list(commands())
EXAMPLES = [example for _, command in COMMANDS for example in command.examples]


@pytest.mark.parametrize(
    ("path", "command"), COMMANDS, ids=lambda part: " ".join(part) if isinstance(part, tuple) else ""
)
def test_every_help_ends_with_two_examples_of_its_command(run, path, command):
    assert len(command.examples) == 2
    lines = run(*path, "--help").stdout.rstrip().splitlines()
    assert lines[-3:] == ["Examples:", *(f"  treesim {example}" for example in command.examples)]
    for example in command.examples:
        assert example.startswith(" ".join(path)) or "--import" in example


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize(
    ("path", "command"), COMMANDS, ids=lambda part: " ".join(part) if isinstance(part, tuple) else ""
)
def test_names_are_not_broken_at_hyphens(path, command, width):
    context = (
        click.Context(main, info_name="treesim") if not path else command.context_class(command, info_name=path[-1])
    )
    context.terminal_width = context.max_content_width = width
    text = command.get_help(context)
    assert "\u2011" not in text
    assert not re.search(r"[a-z]-$", text, re.MULTILINE)


def test_every_sampler_and_perturbation_stands_whole_in_the_help(run):
    text = run("tv", "--help").stdout
    assert all(name in text for name in SAMPLERS if name not in ("exact-guided",))
    text = run("generate", "--help").stdout
    assert all(name in text for name in PERTURBATIONS)


@pytest.fixture(scope="module")
def shared(run_here, tmp_path_factory):
    """What examples speak of."""
    folder = tmp_path_factory.mktemp("shared")
    with contextlib.chdir(folder):
        Path("mine.py").write_text(MINE)
        Path("tree.py").write_text(TREE)
        Path("grid.toml").write_text(GRID)
        run_here("generate", "dirichlet", "--horizon", 4, "--perturbation", "random-sign", "--epsilon", "0.5/T",
                 "-o", "tree.safetensors")  # fmt: skip
        run_here("generate", "markov", "--horizon", 4, "-o", "trellis.safetensors")
        run_here("generate", "ngram", "--horizon", 2, "--tokens", 6, "--contains", "e", "-o", "text.st")
        run_here("unroll", "text.st", "-o", "text.safetensors")
        run_here("sweep", "grid.toml", "-o", "results.sqlite")
        with Recorder("guided.jsonl") as guided, Recorder("traces.jsonl", scale="logit") as traces:
            for i in range(30):
                guided.step(i, 0.5, pool=[0.25, 0.5 + 0.01 * i], kept=1)
                for score in (0.0, 0.1 * i, 0.2 * i):
                    traces.step(i, score)
    return folder


@pytest.fixture
def prepared(run, shared):
    """A folder that has what examples speak of."""
    shutil.copytree(shared, ".", dirs_exist_ok=True)
    return run


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run(prepared, example):
    words = shlex.split(example)
    if example.startswith(LONG):
        assert_parses(main, words)
    else:
        prepared(*words, code=1 if example.startswith("verify") and "--epsilon" in words else 0)


def assert_parses(command, words):
    """Go down to the command that the words name, and let it parse the rest."""
    with command.make_context("treesim", list(words), resilient_parsing=False) as context:
        rest = [*context._protected_args, *context.args] if isinstance(command, click.Group) else []
        if rest:
            name, child, arguments = command.resolve_command(context, rest)
            assert name in command.commands
            assert_parses(child, arguments)

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_help_lists_the_commands(run):
    text = run("--help").stdout
    for name in ("generate", "inspect", "tv", "sample", "export", "demo"):
        assert name in text


def test_the_version_is_the_librarys(run):
    from treesim import __version__

    assert __version__ in run("--version").stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from treesim.cli.main import main; main(['--help'], standalone_mode=False); "
        "print([m for m in ('numpy', 'numba', 'networkx', 'matplotlib', 'treesim.graphs') if m in sys.modules])"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", ["generate", "inspect", "tv", "sample", "export", "demo"])
def test_every_command_explains_itself(run, name):
    assert run(name, "--help").stdout.startswith("Usage:")


def test_an_unknown_command_is_one_line(run):
    assert run.error("simulate") == "Error: No such command 'simulate'."


MINE = """
import treesim

@treesim.register_sampler("mine")
class Mine:
    def simulate(self, oracle, rng):
        prefix = oracle.root
        while prefix.level < oracle.horizon:
            prefix = oracle.draw(prefix)
        return prefix
"""


def test_samplers_of_ones_own_join_by_import(run, instance):
    Path("mine.py").write_text(MINE)
    row, base = run.json("--import", "mine.py", "tv", instance, "mine", "base", "--runs", 2000)["rows"]
    assert row["tv"]["kind"] == "exact"
    assert abs(row["tv"]["lo"] - base["tv"]["lo"]) < 1e-12
    assert row["cost"] == {"reference_draws": 4.0, "value_queries": 0.0}
    assert len(run.json("--import", "mine.py", "sample", instance, "mine", "-n", 4)["leaf"]) == 4


def test_imports_that_fail_are_one_line(run, instance):
    assert "none.py does not exist" in run.error("--import", "none.py", "inspect", instance)
    Path("bad.py").write_text("1 / 0")
    assert "bad.py cannot be imported: ZeroDivisionError" in run.error("--import", "bad.py", "inspect", instance)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "none.st"], "none.st does not exist"),
        (["inspect", "{}", "--plot", "figure.bmp"], "expected .png, .pdf or .svg"),
        (["inspect", "{}", "--plot", "none/figure.png"], "cannot write none/figure.png"),
        (["tv", "{}"], "Missing argument 'SPEC...'"),
        (["tv", "{}", "greedy"], "unknown sampler 'greedy'"),
        (["tv", "{}", "importance:n=-1"], "n is -1"),
        (["sample", "{}", "base", "-n", "0"], "0 is not in the range"),
        (["sample", "{}", "base", "-o", "out.xlsx"], "expected .csv or .npz"),
        (["export", "{}", "--format", "gif"], "'gif' is not one of"),
        (["export", "{}", "-o", "a.st"], "a.st is the input"),
        (["export", "."], "is a folder"),
    ],
)
def test_wrong_input_is_one_line(run, instance, arguments, message):
    before = Path(instance).read_bytes()
    assert message in run.error(*[a.format(instance) for a in arguments])
    assert Path(instance).read_bytes() == before

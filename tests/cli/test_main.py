import os
import subprocess
import sys

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
        "import sys; from cli.main import main; main(['--help'], standalone_mode=False); "
        "print([m for m in ('numpy', 'numba', 'networkx', 'matplotlib', 'treesim') if m in sys.modules])"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", ["generate", "inspect", "tv", "sample", "export", "demo"])
def test_every_command_explains_itself(run, name):
    assert run(name, "--help").stdout.startswith("Usage:")


def test_an_unknown_command_is_one_line(run):
    assert run.error("simulate") == "Error: No such command 'simulate'."

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from treesim.cli.main import main


class Run:
    """Runs the command line where it is."""

    def __call__(self, *arguments, code=0):
        result = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    def json(self, *arguments):
        return json.loads(
            self(*arguments, "--json").stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON")
        )

    def error(self, *arguments) -> str:
        """The one line of a command that must fail with exit code 2."""
        result = self(*arguments, code=2)
        assert result.stdout == ""
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("Error: ")
        return lines[0]


@pytest.fixture(scope="session")
def run_here():
    """Runs the command line in whatever folder is the current one: for files that many tests share."""
    return Run()


@pytest.fixture
def run(run_here, tmp_path, monkeypatch):
    """Runs the command line in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return run_here


@pytest.fixture
def sketched(monkeypatch):
    """Figures are drawn small and not laid out, a fifth of the work: where their like is drawn in earnest elsewhere."""
    from treesim.figures import style

    whole = style.save_figure

    def sketch(figure, path):
        figure.set_layout_engine("none")
        whole(figure, path)

    monkeypatch.setattr(style, "save_figure", sketch)
    monkeypatch.setattr(style, "DPI", 20)


PROGRAM = "from treesim.cli.main import main; main(prog_name='treesim')"


class Program:
    """Starts the command line as a program of its own, and ends it with the test."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []

    def start(self, *arguments, env=None, before=None, disk=None, stdout=subprocess.PIPE, stderr=subprocess.PIPE):
        """``disk`` is the room for a file, in bytes; Python leaves half of its own where that is too small."""

        def prepare():
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if disk is not None:
                import resource  # not on Windows

                resource.setrlimit(resource.RLIMIT_FSIZE, (disk, disk))
            if before is not None:
                before()

        settings = {"PYTHONPATH": str(Path(__file__).parents[2]), **(env or {})}
        if disk is not None:
            settings["PYTHONDONTWRITEBYTECODE"] = "1"
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)],
            cwd=self.folder, env=os.environ | settings, stdout=stdout, stderr=stderr,
            text=True, errors="replace", preexec_fn=prepare,
        )  # fmt: skip
        self.started.append(process)
        return process

    def __call__(self, *arguments, code=0, **options):
        process = self.start(*arguments, **options)
        process.out, process.err = process.communicate(timeout=300)
        assert process.returncode == code, (process.out, process.err)
        return process

    def end(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def program(run, tmp_path):
    if os.name != "posix":
        pytest.skip("needs POSIX signals")
    program = Program(tmp_path)
    yield program
    program.end()


@pytest.fixture
def instance(run):
    run("generate", "dirichlet", "--horizon", 4, "--perturbation", "random-sign", "--epsilon", "0.4/T", "-o", "a.st")
    return "a.st"


@pytest.fixture
def chain(run):
    run("generate", "markov", "--horizon", 40, "--perturbation", "log-uniform", "--epsilon", "1/T", "-o", "m.st")
    return "m.st"

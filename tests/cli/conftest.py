import json

import pytest
from click.testing import CliRunner

from treesim.cli.main import main


class Run:
    """Runs the command line in a folder of its own."""

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


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Run()


@pytest.fixture
def instance(run):
    run("generate", "dirichlet", "--horizon", 4, "--perturbation", "random-sign", "--epsilon", "0.4/T", "-o", "a.st")
    return "a.st"


@pytest.fixture
def chain(run):
    run("generate", "markov", "--horizon", 40, "--perturbation", "log-uniform", "--epsilon", "1/T", "-o", "m.st")
    return "m.st"

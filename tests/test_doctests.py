"""Every example in a docstring runs and prints what it says."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# These need libraries that are tested in environments of their own.
FOREIGN = {f"treesim.adapters.{name}" for name in ("its_hub", "particles", "genlm", "llamppl", "transformers")}


def modules() -> list[str]:
    """The names of all modules of the three packages."""
    names = []
    for package in ("treesim", "hard_instances", "cli"):
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            names.append(".".join(parts if package == "treesim" else ("treesim", *parts)).removesuffix(".__init__"))
    return names


@pytest.mark.parametrize(
    "name",
    sorted(set(modules()) - FOREIGN),
)
def test_examples_print_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0

import csv
from pathlib import Path

import pytest

from treesim import load, sampler

GRID = """
[[grid]]
family = "product"
samplers = ["base", "importance:n=1", "importance:n=4"]
parameters = {horizon = [2, 3]}
"""
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


def test_instances_and_samplers_in_any_order(run, instance, chain):
    arguments = ("compare", "importance", instance, "sp-gsmc", chain, "--vary", "n=1,4,16", "--width", 1e-3)
    rows = run.json(*arguments)["rows"]
    assert [(row["instance"], row["sampler"]) for row in rows] == [
        (name, spec) for name in (instance, chain)
        for spec in ("importance:n=1", "importance:n=4", "importance:n=16", "sp-gsmc")
    ]  # fmt: skip
    loaded = load(instance)
    for row in rows[:4]:
        assert row["tv.lo"] == sampler(row["sampler"]).law(loaded).tv(loaded.target).lo
    assert rows[-1]["tv.kind"] == "certified"


def test_one_table_and_one_figure(run, instance):
    done = run("compare", instance, "base", "importance", "--vary", "n=1,4", "--plot", "c.png")
    assert done.stderr == "one point each for base: none of n is theirs to vary\n"
    lines = done.stdout.splitlines()
    assert lines[0].split("  ")[0] == "instance"
    assert [line.split()[1] for line in lines[2:5]] == ["base", "importance:n=1", "importance:n=4"]
    assert lines[-1] == "figure: c.png"
    assert Path("c.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("form", ["csv", "markdown", "latex"])
def test_every_format(run, instance, form):
    text = run("compare", instance, "importance", "--vary", "n=1,4", "--format", form).stdout
    assert text.count("importance:n=") == 2
    assert "figure" not in text


def test_a_users_sampler_takes_part(run, instance):
    Path("mine.py").write_text(MINE)
    mine, base = run.json("--import", "mine.py", "compare", instance, "mine", "base", "--runs", 500)["rows"]
    assert mine["tv.kind"] == "exact"
    assert abs(mine["tv.lo"] - base["tv.lo"]) < 1e-12


def test_the_store_of_a_sweep(run, sketched):
    Path("grid.toml").write_text(GRID)
    run("sweep", "grid.toml", "-o", "s.sqlite")
    rows = list(csv.DictReader(run("compare", "s.sqlite", "--format", "csv", "--plot", "s.svg").stdout.splitlines()))
    assert [(row["instance"], row["curve"]) for row in rows] == [
        (f"product, horizon={t}", label) for t in (2, 3) for label in ("base", *["importance, n varies"] * 2)
    ]
    assert Path("s.svg").exists()
    assert run("compare", "s.sqlite", "--vary", "n").exit_code == 0
    assert "expected --vary NAME" in run.error("compare", "s.sqlite", "--vary", "n=1")
    assert "expected it alone" in run.error("compare", "s.sqlite", "base")


def test_files_and_samplers_are_told_apart(run, instance):
    assert "'none.st' is no file and no sampler" in run.error("compare", "none.st", "base")
    assert "unknown sampler 'luck', expected one of: base" in run.error("compare", instance, "luck:n=3")
    assert "base is a sampler, and no instance is given" in run.error("compare", "base")
    assert "no sampler is given for" in run.error("compare", instance)
    Path("base").write_bytes(Path(instance).read_bytes())
    assert "is a sampler and a file; write base: for the sampler, ./base for the file" in run.error("compare", "base")
    assert len(run.json("compare", "./base", "base:")["rows"]) == 1
    Path("notes.txt").write_text("hello")
    assert "notes.txt" in run.error("compare", "notes.txt", "base:")


def test_wrong_input(run, instance):
    assert "--vary 'n': expected NAME=VALUE,VALUE" in run.error("compare", instance, "importance", "--vary", "n")
    assert "--vary 'n=1,': expected NAME" in run.error("compare", instance, "importance", "--vary", "n=1,")
    assert "no sampler has it open" in run.error("compare", instance, "base", "--vary", "n=1")
    assert "expected .png" in run.error("compare", instance, "base", "--plot", "c.txt")
    assert not Path("c.txt").exists()
    Path("tree.png").write_bytes(Path(instance).read_bytes())
    assert "tree.png is the input" in run.error("compare", "tree.png", "base", "--plot", "tree.png")
    assert Path("tree.png").read_bytes() == Path(instance).read_bytes()

"""One thing has one spelling; old ones work, with a note."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from treesim import TreesimError
from treesim.laws.density_ratio import Effort
from treesim.theory.worst_case import Worst

OLD = [
    (("tv", "{}", "smc:particles=64"), "--n", 100, "--runs", None),
    (("scale", "product", "smc", "--horizons", "2"), "--n", 100, "--runs", None),
    (("scale", "product", "smc", "--horizons", "2"), "-o", "s.png", "--plot", "s.png"),
    (("demo", "guidance", "--horizon", 3), "-o", "g.svg", "--plot", "g.svg"),
    (("demo", "hidden-leaf", "--horizon", 3), "--games", 20, "--runs", None),
    (("experiment", "acceptance"), "--output", "e.svg", "--plot", "e.svg"),
    (("audit", "treesim", "--runs", 100, "--sizes", "2"), "-o", "a.svg", "--plot", "a.svg"),
]


@pytest.mark.parametrize(("command", "old", "value", "new", "file"), OLD, ids=lambda part: str(part)[:40])
def test_old_spellings_work_with_a_note(run, sketched, instance, command, old, value, new, file):
    command = [str(part).format(instance) for part in command]
    before = run(*command, old, value)
    assert before.stderr.count("\n") == 1
    assert f"is now called {new}; the old spelling still works" in before.stderr
    if file is not None:
        Path(file).unlink()
    after = run(*command, new, value)
    if command[0] != "audit":  # which says how long it took
        assert after.stdout == before.stdout
    assert after.stderr == ""
    assert file is None or Path(file).exists()


def test_both_spellings_are_one_too_many(run, instance):
    for arguments in (("--n", 100, "--runs", 100), ("--runs", 100, "--n", 100)):
        line = run.error("tv", instance, "smc:particles=64", *arguments)
        assert line == "Error: --runs and its old spelling --n: give one of them"


def test_old_spellings_are_checked_like_new_ones(run, instance):
    assert "Invalid value for '--n'" in run.error("tv", instance, "base", "--n", 3)
    assert "--n" not in run("tv", "--help").stdout.replace("-n, --runs", "")


def test_runs_has_a_short_form_everywhere(run, sketched, instance):
    for arguments in (
        ("tv", instance, "smc:particles=64"),
        ("sample", instance, "base"),
        ("demo", "hidden-leaf", "--horizon", 3),
        ("scale", "product", "smc", "--horizons", "2"),
    ):
        assert run(*arguments, "-n", 50).stdout == run(*arguments, "--runs", 50).stdout
    assert run.json("sample", instance, "smc:particles=4", "--diagnose", "--runs", 50)["runs"] == 50


# What is typed, where it must arrive, and as what.
ARRIVALS = [
    ("audit treesim --algorithm base --sizes 4,5 --runs 101 --seed 7", "empirical.identification.identify_law",
     {"runs": 101, "sizes": [4, 5], "seed": 7}),
    ("tv {tree} base --width 1e-3 --budget 1e5 --runs 77 --seed 7 --outcomes 2,5", "empirical.measure.measure",
     {"runs": 77, "seed": 7, "width": 1e-3, "budget": 1e5, "votes": (2, 5)}),
    ("need {tree} smc --delta 0.3 --most 9 --width 1e-3 --budget 1e5 --runs 77 --seed 7", "studies.scaling.need",
     {"delta": 0.3, "largest": 9, "runs": 77, "seed": 7, "width": 1e-3, "budget": 1e5}),
    ("need {tree} smc:particles=3 --vary pool", "studies.scaling.need", {"vary": "pool"}),
    ("scale product smc --delta 0.3 --epsilon 0.1 --runs 77 --seed 7 --set form=trellis", "studies.scaling.scale",
     {"delta": 0.3, "epsilon": "0.1", "runs": 77, "seed": 7, "parameters": {"form": "trellis"}}),
    ("compare {tree} smc --vary particles=1,2 --width 1e-3 --budget 1e5 --runs 77 --seed 7 --outcomes 3",
     "studies.compare.compare",
     {"vary": {"particles": ["1", "2"]}, "runs": 77, "seed": 7, "width": 1e-3, "budget": 1e5, "votes": (3,)}),
    ("sample {tree} base --runs 77 --seed 7", "samplers.base.Sampler.simulate", {"n": 77, "seed": 7}),
    ("sample {tree} base", "samplers.base.Sampler.simulate", {"n": 10, "seed": 0}),
    ("sample {tree} smc:particles=3 --diagnose --seed 7", "empirical.diagnosis.diagnose", {"n": 200, "seed": 7}),
    ("sample {tree} smc:particles=3 --diagnose --runs 77", "empirical.diagnosis.diagnose", {"n": 77, "seed": 0}),
    ("verify {tree} --epsilon 0.5 --ratio-bound 9", "hard_instances.battery.verify_all",
     {"epsilon": 0.5, "ratio_bound": 9}),
    ("verify --search --seed 7", "theory.worst_case.worst_guidance", {"horizon": 3, "epsilon": 0.2, "seed": 7}),
    ("merge {tree} --tolerance 0.5 -o m.st", "instances.merging.merge", {"tolerance": 0.5}),
    ("demo blowup --horizons 2 --delta 0.3 --seed 7", "demos.blowup.run", {"delta": 0.3, "seed": 7}),
    ("demo constrained --contains is --horizon 6 --order 2 --width 0.1 --seed 7", "demos.constrained.run",
     {"width": 0.1, "seed": 7}),
    ("demo constrained --constraint a+ --excludes b --horizon 6 --order 2", "decoding.constrained.pose",
     {"horizon": 6, "order": 2, "constraint": "a+", "excludes": ("b",)}),
    ("demo guidance --horizon 3 --seed 7", "demos.guidance.run", {"horizon": 3, "seed": 7}),
    ("demo failures --particles 11 --horizon 12 --seed 7", "demos.failures.run",
     {"particles": 11, "horizon": 12, "seed": 7}),
    ("demo hidden-leaf --horizon 3 --epsilon 0.9 --branching 3 --seed 7", "hard_instances.hidden_prefix",
     {"horizon": 3, "epsilon": 0.9, "branching": 3, "seed": 7}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "place", "expected"), ARRIVALS, ids=[f"{line[:40]}" for line, *_ in ARRIVALS])
def test_what_is_typed_arrives_where_it_is_computed(run, instance, monkeypatch, line, place, expected):
    module, _, name = f"treesim.{place}".rpartition(".")
    try:
        owner = import_module(module)
    except ModuleNotFoundError:
        package, _, kind = module.rpartition(".")
        owner = getattr(import_module(package), kind)
    original, given = getattr(owner, name), {}

    def arrived(*arguments, **named):
        given.update(inspect.signature(original).bind(*arguments, **named).arguments)
        raise TreesimError("it arrived")

    monkeypatch.setattr(owner, name, arrived)
    assert "it arrived" in run(*line.format(tree=instance).split(), code=2).stderr
    effort = given.get("effort")
    if isinstance(effort, Effort):
        given |= effort._asdict()
    assert {key: given.get(key, inspect.signature(original).parameters.get(key)) for key in expected} == expected


def test_the_seed_of_a_search_reaches_both_searches(run, instance, monkeypatch):
    from treesim import load
    from treesim.theory import worst_case

    asked = []

    def searched(horizon, size, seed=0):
        asked.append((horizon, size, seed))
        return Worst(load(instance), 0.1, 0.2, 0.15, 7)

    monkeypatch.setattr(worst_case, "worst_guidance", searched)
    monkeypatch.setattr(worst_case, "worst_particles", searched)
    rows = run.json("verify", "--search", "--seed", 7)["rows"]
    assert asked == [(3, 0.2, 7), (4, 0.2, 7), (5, 0.1, 7), (2, 1.1, 7), (3, 1.1, 7)]
    assert [(row["theorem"], row["tv"], row["bound"], row["share"], row["share_of_sharp"]) for row in rows] == [
        (theorem, 0.1, 0.2, 0.5, pytest.approx(2 / 3)) for theorem in ("4.3", "4.3", "4.3", "5.1", "5.1")
    ]

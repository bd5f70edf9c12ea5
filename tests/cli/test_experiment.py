from functools import partial
from pathlib import Path

import pytest

from treesim.studies.experiments import EXPERIMENTS, Experiment
from treesim.studies.learned import Trial, learned, trials

pytestmark = pytest.mark.usefixtures("experimented")

# It takes minutes: tests run a part of it.
SHORT = [name for name in EXPERIMENTS if name != "learned"]
PART = partial(learned, horizons={"chain, count": (4, 8, 16)}, losses=("ctl", "step"), samples=(100, 1000))


@pytest.mark.parametrize("name", SHORT)
def test_every_experiment_answers_with_numbers_and_a_figure(run, sketched, name):
    document = run.json("experiment", name)
    assert document["question"] and document["answer"]
    assert all(y >= 0 for curve in document["curves"].values() for _, y in curve)
    assert Path(f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_answers_are_those_of_the_theory(experimented):
    found = {name: experimented[name]() for name in ("particles", "steps", "phases", "pools", "corrections")}
    particles, steps, phases, pools = (found[name].figures for name in ("particles", "steps", "phases", "pools"))
    assert 0.4 < particles["power with"] < 0.6
    assert particles["rate without"] > 0.08
    assert steps["share explained by a line"] > 0.999
    chain, _, selected, least = ([n for _, n in curve] for curve in found["steps"].curves.values())
    assert all(h >= n >= most for h, n, most in zip(chain[3:], selected[3:], least[3:], strict=True))
    assert steps["slope of selection"] < 0.7 * steps["slope"]
    assert steps["slope of selection"] < 1.05 * steps["slope of the bound"]
    assert 1 < phases["gain of N = 2"] < 1.2
    assert 0.1 < phases["share won by particles"] < 0.5
    assert pools["TV of the pool of 4, corrected"] < 1e-3 < 0.02 < pools["TV of the largest pool"]
    offers = [tv for _, tv in found["corrections"].curves["guided by the automaton, H paths offered"]]
    assert offers == sorted(offers, reverse=True)


def test_the_list_and_the_table(run):
    assert all(name in run("experiment", "--list").stdout for name in EXPERIMENTS)
    assert "Metropolis-Hastings or race, H paths" in run("experiment", "steps", "--plot", "s.svg").stdout
    assert "unknown experiment 'luck'" in run.error("experiment", "luck")
    assert "expected .png" in run.error("experiment", "steps", "--plot", "s.txt")


def test_curves_in_every_format(run, sketched):
    lines = run("experiment", "steps", "--format", "csv").stdout.splitlines()
    assert lines[0].startswith('log 1/delta (nats),"Metropolis-Hastings or race, H paths",')
    assert len(lines) == 13
    assert run("experiment", "steps", "--format", "markdown").stdout.count("\n") == 14


def test_every_row_has_the_heights_of_its_place(run, sketched, monkeypatch):
    curves = {"a": [(1.0, 0.5), (2.0, 0.25)], "b": [(2.0, 0.125)]}
    monkeypatch.setitem(EXPERIMENTS, "steps", lambda: Experiment("why?", "so", "x", "y", curves))
    lines = run("experiment", "steps").stdout.splitlines()
    assert [line.split() for line in lines[4:6]] == [["1", "0.5", "-"], ["2", "0.25", "0.125"]]
    assert run.json("experiment", "steps")["rows"] == [
        {"x": 1.0, "a": 0.5, "b": None},
        {"x": 2.0, "a": 0.25, "b": 0.125},
    ]


def test_a_long_experiment_goes_on_where_it_stopped(run, sketched, monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "learned", PART)
    monkeypatch.setattr("treesim.studies.learned.SEEDS", 2)
    real, done = Trial("chain, count", "diffusive", "ctl", 4).measure(), []

    def measure(trial):
        done.append(trial)
        return real | {"sup": real["sup"] * (1 + trial.horizon + trial.seed)}

    monkeypatch.setattr(Trial, "measure", measure)
    first = run.json("experiment", "learned")
    lines = Path("learned.jsonl").read_text().splitlines()
    wanted = trials(PART.keywords["horizons"], ("ctl", "step"), (100, 1000))
    assert len(lines) == 1 + len(wanted) == 1 + 18 + 8 + 4
    # The last line was being written when it was interrupted.
    Path("learned.jsonl").write_text("\n".join(lines[:-3]) + "\n" + lines[-3][:40])
    assert done == wanted
    done.clear()
    assert run.json("experiment", "learned") == first
    assert done == wanted[-3:]
    assert Path("learned.jsonl").read_text().splitlines()[:-3] == lines[:-3]
    # Another file starts anew.
    run("experiment", "learned", "--store", "other.jsonl")
    assert len(Path("other.jsonl").read_text().splitlines()) == len(lines) and done == wanted[-3:] + wanted


def test_only_long_experiments_keep_results(run):
    for option, value in (("--store", "s.jsonl"), ("--jobs", 2), ("--dask", "tcp://nowhere")):
        said = run.error("experiment", "steps", option, value)
        assert f"experiment 'steps' is short: it keeps nothing, and runs here; leave {option} out" in said
    Path("mine.jsonl").write_text('{"a": 1}\n')
    assert "mine.jsonl is no journal of 'learned'; choose another name" in run.error(
        "experiment", "learned", "--store", "mine.jsonl"
    )
    assert Path("mine.jsonl").read_text() == '{"a": 1}\n'

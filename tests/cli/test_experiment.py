from pathlib import Path

import pytest

from treesim.experiments import EXPERIMENTS


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_answers_with_numbers_and_a_figure(run, name):
    document = run.json("experiment", name)
    assert document["question"] and document["answer"]
    assert all(y >= 0 for curve in document["curves"].values() for _, y in curve)
    assert Path(f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_answers_are_those_of_the_theory(run):
    found = run.json("experiment", "particles")["figures"]
    assert 0.4 < found["power with"] < 0.6
    assert found["rate without"] > 0.08
    assert run.json("experiment", "steps")["figures"]["share explained by a line"] > 0.999
    gains = run.json("experiment", "phases")["figures"]
    assert 1 < gains["gain of N = 2"] < gains["gain of N = 4"] < gains["gain of N = 64"]
    curves = run.json("experiment", "corrections")["curves"]
    offers = [tv for _, tv in curves["guided by the automaton, H paths offered"]]
    assert offers == sorted(offers, reverse=True)


def test_the_list_and_the_table(run):
    assert all(name in run("experiment", "--list").stdout for name in EXPERIMENTS)
    assert "least H" in run("experiment", "steps", "-o", "s.svg").stdout
    assert "unknown experiment 'luck'" in run.error("experiment", "luck")
    assert "expected .png" in run.error("experiment", "steps", "-o", "s.txt")

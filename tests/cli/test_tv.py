import json
import re
from pathlib import Path

import pytest

from treesim import load, sampler, unroll

SPECS = [
    "base",
    "best-of-n:n=16",
    "soft-best-of-n:n=16,temperature=0.5",
    "importance:n=16",
    "rejection:budget=64",
    "beam:width=4",
    "sp-gsmc",
    "sp-gsmc:pool=8",
]


def test_tv_has_one_row_a_sampler(run, instance):
    rows = run.json("tv", instance, *SPECS)["rows"]
    assert [row["sampler"] for row in rows] == SPECS
    loaded = load(instance)
    for row in rows:
        assert set(row) >= {"sampler", "tv", "kl", "chi2", "expected_reward", "cost", "bound"}
        assert row["tv"]["lo"] == row["tv"]["hi"]
        assert row["tv"]["kind"] == "exact"
        assert row["tv"]["lo"] == sampler(row["sampler"]).law(loaded).tv(loaded.target).lo
        assert set(row["cost"]) == {"reference_draws", "value_queries"}
        if row["sampler"] == "sp-gsmc":
            assert row["bound"]["theorem"] == "4.3"
            assert row["bound"]["value"] == pytest.approx(2 * 4 * 0.1)
            assert row["tv"]["hi"] <= row["bound"]["sharp"]
        else:
            assert row["bound"] is None


def test_tv_speaks_to_people(run, instance):
    lines = run("tv", instance, *SPECS).stdout.splitlines()
    assert len(lines) == 2 + len(SPECS)
    assert lines[0].split() == [
        "sampler",
        "TV",
        "kind",
        "KL",
        "chi^2",
        "E",
        "reward",
        "draws",
        "queries",
        "TV",
        "at",
        "most",
    ]


def test_infinite_divergences_are_valid_json(run):
    run("generate", "uniform", "--horizon", 3, "--reward", "sparse:share=0.2", "-o", "s.st")
    row, beam = run.json("tv", "s.st", "base", "beam:width=1")["rows"]
    assert row["kl"] == row["chi2"] == "Infinity"
    assert beam["kl_from_target"] in ("Infinity", 0.0)


def test_tv_encloses_what_it_cannot_know_exactly(run, chain):
    base, guided, corrected = run.json("tv", chain, "base", "sp-gsmc", "sp-gsmc:mh=3")["rows"]
    assert base["tv"]["kind"] == "exact"
    assert guided["tv"]["kind"] == corrected["tv"]["kind"] == "certified"
    assert 0 < guided["tv"]["hi"] - guided["tv"]["lo"] <= 1e-6
    assert corrected["tv"]["hi"] < guided["tv"]["lo"]
    assert corrected["kl"] is None
    fine = run.json("tv", chain, "sp-gsmc", "--width", 1e-9)["rows"][0]["tv"]
    assert guided["tv"]["lo"] <= fine["lo"] <= fine["hi"] <= guided["tv"]["hi"]
    assert "±" in run("tv", chain, "sp-gsmc").stdout


def test_a_budget_that_is_too_small_is_said(run, chain):
    result = run("tv", chain, "sp-gsmc", "--width", 1e-9, "--budget", 1000)
    assert re.search(r"the interval is \S+ wide; for 1e-09 raise --budget to about \de\+", result.stderr)


def test_tv_estimates_where_there_is_no_exact_law(run, instance):
    exact, estimated = run.json("tv", instance, "smc:particles=2", "smc:particles=64", "--runs", 5000)["rows"]
    assert exact["tv"]["kind"] == "exact"
    assert estimated["tv"]["kind"] == "estimated"
    assert estimated["tv"]["level"] == 0.99
    assert estimated["tv"]["hi"] < exact["tv"]["lo"]
    assert estimated["kl"] is None


def test_a_small_trellis_is_unrolled_for_samplers_that_have_a_law_on_trees(run, chain):
    run("generate", "markov", "--horizon", 3, "--perturbation", "log-normal:sigma=0.5", "-o", "s.st")
    small = unroll(load("s.st"))
    specs = ["smc:particles=2", "vgb:steps=5", "random-suffix:steps=3", "sp-gsmc:pool=2,mh=3"]
    for row in run.json("tv", "s.st", *specs)["rows"]:
        assert row["tv"]["kind"] == "exact"
        assert row["tv"]["lo"] == pytest.approx(sampler(row["sampler"]).law(small).tv(small.target).lo, abs=1e-14)
    assert "vgb walks on the prefixes of a tree" in run.error("tv", chain, "vgb:steps=5")


def test_rows_show_the_defaults_by_which_they_differ(run, instance):
    specs = ("base", "smc:particles=2", "smc:particles=2,resampling=systematic", "sp-gsmc:pool=8", "sp-gsmc")
    lines = run("tv", instance, *specs, "--runs", 100).stdout.splitlines()[2:]
    assert [line.split()[0] for line in lines] == [
        "base", "smc:particles=2,resampling=multinomial", "smc:particles=2,resampling=systematic", "sp-gsmc:pool=8",
        "sp-gsmc:pool=0",
    ]  # fmt: skip


def test_another_target_is_a_sampler_or_an_instance(run, instance):
    base, guided = run.json("tv", instance, "base", "sp-gsmc", "--target", "sp-gsmc")["rows"]
    assert guided["tv"]["hi"] == 0 == guided["kl"]
    loaded = load(instance)
    expected = sampler("base").law(loaded).tv(sampler("sp-gsmc").law(loaded)).lo
    assert base["tv"]["lo"] == expected > 0
    assert base["bound"] is guided["bound"] is None
    run("generate", "dirichlet", "--horizon", 4, "--seed", 7, "-o", "b.st")
    document = run.json("tv", instance, "base", "--target", "b.st")
    assert document["target"] == "b.st"
    assert document["rows"][0]["tv"]["lo"] == loaded.reference.tv(load("b.st").target).lo
    estimated = run.json("tv", instance, "smc:particles=64", "--target", "b.st", "--runs", 4000)["rows"][0]["tv"]
    assert estimated["kind"] == "estimated"
    assert estimated["lo"] <= loaded.target.tv(load("b.st").target).lo + 0.05
    assert estimated["hi"] > loaded.target.tv(load("b.st").target).lo - 0.05


def test_another_target_of_a_trellis(run, chain):
    guided, base = run.json("tv", chain, "sp-gsmc", "base", "--target", "base")["rows"]
    assert base["tv"]["hi"] == 0 < guided["tv"]["lo"]
    assert "unroll it" in run.error("tv", chain, "smc:particles=64", "--target", "base", "--runs", 100)
    run("generate", "markov", "--horizon", 40, "--seed", 1, "-o", "o.st")
    assert "has other paths; expected the same trellis" in run.error("tv", chain, "base", "--target", "o.st")


def test_targets_that_are_none(run, instance, chain):
    assert "has other paths; expected the same tree" in run.error("tv", instance, "base", "--target", chain)
    assert "is no file and no sampler" in run.error("tv", instance, "base", "--target", "none.st")
    assert "unknown sampler 'luck'" in run.error("tv", instance, "base", "--target", "luck:n=3")
    Path("base").write_bytes(Path(instance).read_bytes())
    assert "write base: for the sampler, ./base for the file" in run.error("tv", instance, "base", "--target", "base")
    for target in ("base:", "./base"):
        assert run.json("tv", instance, "base", "--target", target)["rows"]


@pytest.mark.parametrize(("form", "first"), [("csv", "sampler,tv.lo,tv.hi,"), ("markdown", "| sampler"),
                                             ("latex", "\\begin{tabular}"), ("json", "{")])  # fmt: skip
def test_every_format(run, instance, form, first):
    assert run("tv", instance, "base", "sp-gsmc", "--format", form).stdout.startswith(first)


def test_two_formats_are_one_too_many(run, instance):
    assert "--json and --format csv: give one" in run.error("tv", instance, "base", "--json", "--format", "csv")


def test_selection_says_what_its_rule_promises_and_when_paths_are_too_few(run):
    run("generate", "sharpest-guidance", "--horizon", 8, "--epsilon", 0.1, "-o", "a.safetensors")
    found = run("tv", "a.safetensors", "sp-gsmc:chebyshev=3", "sp-gsmc:chebyshev=8", "--json")
    first, second = json.loads(found.stdout)["rows"]
    assert first["bound"]["theorem"] == second["bound"]["theorem"] == "selection"
    for row in (first, second):
        assert 0 < row["tv"]["hi"] <= row["bound"]["sharp"]
    assert "3 paths are too few for Chebyshev's own rule (4 paths would be enough)" in found.stderr
    assert "8 paths" not in found.stderr

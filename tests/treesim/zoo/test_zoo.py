"""The zoo as a whole: it is found, costs nothing until it is asked for, and works wherever a sampler does."""

import dataclasses
import json
import math
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import treesim.zoo
from tests.shapes import trellis
from tests.statistics import fits
from tests.treesim.zoo.brute import SPECS
from treesim import SAMPLERS, Instance, Scaled, SpecError, exact_law, family, sampler, unroll
from treesim.cli.main import main

FOLDER = Path(treesim.zoo.__file__).parent
INSTANCE = family("dirichlet", horizon=2, perturbation="log-normal:sigma=1", seed=7)


def test_every_file_of_a_sampler_is_offered_and_has_its_spec_here():
    classes = {path.stem for path in FOLDER.glob("*.py") if "def simulate(" in path.read_text(encoding="utf-8")}
    assert {name.replace("-", "_") for name in SPECS} == classes
    assert {name for name, kind in SAMPLERS.items() if kind.__module__.startswith("treesim.zoo.")} == set(SPECS)


@pytest.mark.parametrize("name", SPECS)
def test_each_says_where_it_comes_from(name):
    assert "References\n    ----------\n" in SAMPLERS[name].__doc__


def test_nothing_is_loaded_before_it_is_asked_for():
    code = (
        "import sys, treesim; list(treesim.SAMPLERS); print([m for m in sys.modules if 'zoo' in m]);"
        "treesim.sampler('rebase:width=2'); print([m for m in sys.modules if m.startswith('treesim.zoo.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['treesim.zoo.moves', 'treesim.zoo.rebase']"]


@pytest.mark.parametrize("spec", SPECS.values())
def test_runs_have_the_law_that_is_enumerated(spec):
    """False alarms: 1e-6 for each spec."""
    law = exact_law(spec, INSTANCE).law
    draws = sampler(spec).simulate(INSTANCE, 4000, seed=1)
    assert fits(draws, law)


@pytest.mark.parametrize("spec", SPECS.values())
def test_a_trellis_is_the_tree_that_it_unrolls_to(spec):
    instance = trellis(3, horizon=2, nodes=2, edges=2)
    plainer = unroll(instance)
    own, other = exact_law(spec, instance).law, exact_law(spec, plainer).law
    assert own.tv(instance.target).mid == pytest.approx(other.tv(plainer.target).mid, abs=1e-12)
    assert own.expected(instance.reward) == pytest.approx(other.expected(plainer.reward), rel=1e-12)


@pytest.mark.parametrize("spec", [spec for name, spec in SPECS.items() if name != "inference-time-pessimism"])
@pytest.mark.parametrize("shift", [-1000.0, 50_000.0])
def test_the_unit_of_values_does_not_matter(spec, shift):
    """Beta of inference-time pessimism is a reward, and has that unit."""
    moved = Instance(INSTANCE.graph, INSTANCE.value * Scaled.from_log(np.array([shift])))
    assert exact_law(spec, moved).law.tv(exact_law(spec, INSTANCE).law).hi < 1e-9


def test_a_reward_of_any_size_is_no_error_to_inference_time_pessimism():
    for shift in (-1000.0, 50_000.0):
        moved = Instance(INSTANCE.graph, INSTANCE.value * Scaled.from_log(np.array([shift])))
        law = exact_law("inference-time-pessimism:n=2", moved).law
        limit = INSTANCE.reference if shift < 0 else sampler("best-of-n:n=2").law(INSTANCE)
        assert law.tv(limit).hi < 1e-9


def test_the_command_line_knows_them(tmp_path):
    file = str(tmp_path / "tree.safetensors")
    run = CliRunner().invoke
    assert run(main, ["generate", "dirichlet", "--horizon", "2", "-o", file]).exit_code == 0
    found = run(main, ["tv", file, *SPECS.values(), "--json"], catch_exceptions=False)
    rows = json.loads(found.stdout)["rows"]
    assert [row["sampler"] for row in rows] == list(SPECS.values())
    assert {row["tv"]["kind"] for row in rows} == {"exact"}
    assert all(0.0 <= row["tv"]["hi"] <= 1.0 and math.isfinite(row["cost"]["value_queries"]) for row in rows)


def test_specs_that_the_page_of_commands_and_the_help_show_are_specs():
    page = (Path(__file__).parents[3] / "docs" / "commands.md").read_text(encoding="utf-8")
    shown = re.findall(r"`([^`]*)`", page[page.index("## The zoo") :])
    text = CliRunner().invoke(main, ["tv", "--help"]).stdout
    helped = text[text.index("block-best-of-n") : text.index("Options:")].replace("|", " ").split()
    assert {sampler(spec).name for spec in shown} == {sampler(spec).name for spec in helped} == set(SPECS)


@pytest.mark.parametrize("name", SPECS)
def test_what_is_out_of_range_is_one_line(name):
    fields = [field for field in dataclasses.fields(SAMPLERS[name]) if field.type is int]
    for field in fields:
        needed = [each.name for each in fields if each.default is dataclasses.MISSING and each is not field]
        spec = f"{name}:{','.join([f'{field.name}=-1', *(f'{each}=2' for each in needed)])}"
        with pytest.raises(SpecError, match=rf"^{field.name} is -1, expected at least [0-2]$"):
            sampler(spec).simulate(INSTANCE, 1, seed=0)


PAGE = (Path(__file__).parents[3] / "docs/zoo.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")]
REWARDED = family("dirichlet", horizon=3, seed=1)
VALID = family("dirichlet", horizon=3, seed=1, reward="sparse:share=0.4,floor=0")


@cache
def enumerated(spec):
    """All runs on `REWARDED`, of which the page has distances and costs."""
    found = exact_law(spec, REWARDED)
    assert found.is_complete
    return found


def test_the_page_has_all():
    assert {row[0].strip("`").partition(":")[0] for row in ROWS} == set(SPECS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_table_of_the_page_is_right(row):
    spec, bias, with_zeros = row[0].strip("`"), float(row[4]), float(row[5])
    assert enumerated(spec).law.tv(REWARDED.target).mid == pytest.approx(bias, abs=5.01e-4)
    assert sampler(spec).law(VALID).tv(VALID.target).mid == pytest.approx(with_zeros, abs=5.01e-4)


T, B = 3, 2
# Draws and values asked, where the page says what they are and not only at the most.
COSTS = {
    "block-best-of-n:n=4": (4 * T, 4 * T),
    "block-best-of-n:n=2,tokens=2": (2 * T, 2 * math.ceil(T / 2)),
    "rebase:width=3": (3 * T, 3 * T),
    "dvts:subtrees=3,width=1": (3 * T, 3 * T),
    "dvts:subtrees=1,width=2": (2 * T, 2 * T),
    "lookahead-beam:beams=2,lookahead=0": (2 * T, 2 * T),
    "lookahead-beam:beams=2,lookahead=1": (2 * T + 2 * (T - 1) * B, 2 * T),
    "majority:n=4": (4 * T, 0),
    "majority:n=4,weight=reward": (4 * T, 4),
    "inference-time-pessimism:n=3": (3 * T, 3),
    "speculative-best-of-n:n=2,threshold=0": (B * T, 2 * T + 1),
    "speculative-best-of-n:n=1,threshold=inf": (B * T + T, 2 * T + 1),
    "power-sampling:steps=1,tokens=3": (B * (T + (T + 3 + 2) / 4), 0),
    "power-sampling:steps=1,tokens=1": (B * (T + T * (T + 1 + 2) / 4), 0),
    "entropic-particle-filter:particles=2": (2 * T, 2 * T),
    "resampled-smc:particles=2": (2 * T, 2 * T),
    "lookahead-smc:particles=2": (2 * T + 2 * (T - 1), 2 + 2 * (T - 1)),
    "awrs:particles=2": (B * 2 * T, B * 2 * T),
    "smc-without-replacement:particles=2": (B + (T - 1) * B * 2, B + (T - 1) * B * 2),
}


@pytest.mark.parametrize(("spec", "cost"), COSTS.items())
def test_costs_are_what_the_page_says(spec, cost):
    found = enumerated(spec).cost.mean
    assert (found.reference_draws, found.value_queries) == pytest.approx(cost, rel=1e-12)

"""The zoo as a whole: it is found, costs nothing until it is asked for, and works wherever a sampler does."""

import dataclasses
import json
import math
import subprocess
import sys
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


@pytest.mark.parametrize("name", SPECS)
def test_what_is_out_of_range_is_one_line(name):
    fields = [field for field in dataclasses.fields(SAMPLERS[name]) if field.type is int]
    for field in fields:
        needed = [each.name for each in fields if each.default is dataclasses.MISSING and each is not field]
        spec = f"{name}:{','.join([f'{field.name}=-1', *(f'{each}=2' for each in needed)])}"
        with pytest.raises(SpecError, match=rf"^{field.name} is -1, expected at least [0-2]$"):
            sampler(spec).simulate(INSTANCE, 1, seed=0)

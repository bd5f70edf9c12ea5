"""Samplers side by side, computed and from the rows of a sweep."""

import pytest

from treesim import TV, SpecError, compare, estimate, family, register_sampler, results, sampler
from treesim.empirical.measure import measure
from treesim.studies.compare import Comparison, Point, from_records, series
from treesim.studies.store import open_store
from treesim.studies.sweep import read_grid, run
from treesim.tables import Records

TREE = family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.1)
PRODUCT = family("product", horizon=5, ratio=1.5)


def test_every_point_is_what_measuring_gives():
    found = compare({"a": TREE, "b": PRODUCT}, ["base", "importance", "smc"], {"n": [1, 4], "particles": [2]})
    assert [(point.instance, point.sampler) for point in found.points] == [
        (name, spec) for name in "ab" for spec in ("base", "importance:n=1", "importance:n=4", "smc:particles=2")
    ]
    for point in found.points:
        expected = measure(sampler(point.sampler), {"a": TREE, "b": PRODUCT}[point.instance])
        assert point.tv == expected.tv
        assert (point.draws, point.values) == (expected.cost.reference_draws, expected.cost.value_queries)
    assert list(found.curves()) == [(label, name) for name in "ab"
                                    for label in ("base", "importance, n = 1 to 4", "smc, particles = 2")]  # fmt: skip


def test_instances_without_names_are_called_by_what_made_them():
    assert compare([PRODUCT], ["base"]).instances == [PRODUCT.parameter_text]


def test_curves_go_from_cheap_to_dear():
    found = compare([TREE], ["importance"], {"n": [16, 1, 4]})
    (points,) = found.curves().values()
    assert [point.values for point in points] == [1, 4, 16]


def test_a_users_sampler_is_one_of_them():
    @register_sampler("mine-compare")
    class Mine:
        def simulate(self, oracle, rng):
            prefix = oracle.root
            while prefix.level < oracle.horizon:
                prefix = oracle.draw(prefix)
            return prefix

    mine, base = compare([TREE], ["mine-compare", "base"], runs=400).points
    assert mine.tv.kind == "exact"
    assert mine.tv.mid == pytest.approx(base.tv.mid, abs=1e-13)
    assert mine.draws == base.draws == 4


def test_what_is_given_does_not_vary():
    one, two, three = series(["smc:particles=3", "smc", "sp-gsmc:pool=2"], {"particles": ["1", "2"], "mh": [1, 3]})
    assert (one.varies, one.label) == (None, "smc:particles=3")
    assert (two.varies, len(two.samplers)) == ("particles", 2)
    assert [kind.mh for kind in three.samplers] == [1, 3]
    texts = series(["smc:particles=3"], {"resampling": ["multinomial", "systematic"]})[0]
    assert [kind.resampling for kind in texts.samplers] == ["multinomial", "systematic"]


def test_what_must_be_given_varies_first():
    smc, guided = series(["smc", "sp-gsmc"], {"particles": [1, 2], "pool": [1, 2]})
    assert (smc.varies, guided.varies) == ("particles", "pool")


def test_labels_of_single_points_show_where_they_differ():
    assert [line.label for line in series(["sp-gsmc", "sp-gsmc:pool=8"], {})] == ["sp-gsmc:pool=0", "sp-gsmc:pool=8"]


@pytest.mark.parametrize(
    ("specs", "vary", "message"),
    [
        (["base"], {"n": [1]}, "n varies, but no sampler has it open"),
        (["importance:n=2"], {"n": [1]}, "n varies, but no sampler has it open"),
        (["importance"], {"n": []}, "n varies over nothing"),
        (["sp-gsmc"], {"pool": [1], "mh": [2]}, "pool and mh vary, and 'sp-gsmc' has both"),
        (["importance"], {}, "needs n"),
        (["luck"], {"n": [1]}, "unknown sampler 'luck'"),
        (["importance"], {"n": ["many"]}, "n of importance is 'many'"),
    ],
)
def test_wrong_questions_are_refused(specs, vary, message):
    with pytest.raises(SpecError, match=message):
        compare([TREE], specs, vary)


def test_progress_can_be_followed():
    seen = []
    compare([PRODUCT], ["base", "sp-gsmc"], track=lambda cells: (seen.append(cell) or cell for cell in cells))
    assert len(seen) == 2


GRID = """
[[grid]]
family = "product"
samplers = [
  "base", "importance:n=4", "importance:n=1", "sp-gsmc", "sp-gsmc:pool=2", "sp-gsmc:pool=2,mh=2", "vgb:steps=2",
]
parameters = {horizon = [2, 3], ratio = 1.5}
"""


@pytest.fixture
def records(tmp_path):
    grid, store = tmp_path / "grid.toml", tmp_path / "s.sqlite"
    grid.write_text(GRID)
    with open_store(store, create=True) as opened:
        list(run(read_grid(grid), opened))
    return results(store)


def test_the_rows_of_a_sweep_are_a_comparison(records):
    found = from_records(records)
    assert found.instances == ["product, horizon=2", "product, horizon=3"]
    curves = found.curves()
    assert [point.values for point in curves["importance, n varies", "product, horizon=2"]] == [1, 4]
    # Two parameters differ: none is the one.
    assert {label for label, _ in curves} == {
        "base", "importance, n varies", "sp-gsmc", "sp-gsmc:pool=2", "sp-gsmc:pool=2,mh=2", "vgb:steps=2"
    }  # fmt: skip
    assert len(found.points) == len(records)


def test_what_makes_a_curve_can_be_said(records):
    labels = {label for label, _ in from_records(records, ["pool"]).curves()}
    assert labels == {
        "base", "importance, n varies", "sp-gsmc, pool varies", "sp-gsmc:mh=2, pool varies", "vgb:steps=2"
    }  # fmt: skip
    with pytest.raises(SpecError, match="particles varies, but no sampler of the store"):
        from_records(records, ["particles"])


def test_rows_without_a_result_are_left_out(records):
    records[0]["error"] = "out of memory"
    assert len(from_records(records).points) == len(records) - 1
    with pytest.raises(SpecError, match="has no result yet"):
        from_records(Records())


def test_it_becomes_a_table_and_a_frame():
    found = compare({"a": PRODUCT}, ["base"])
    assert found.records().csv().splitlines()[0] == (
        "instance,curve,sampler,tv.lo,tv.hi,tv.kind,reference_draws,value_queries"
    )
    assert isinstance(found, Comparison)
    frames = pytest.importorskip("pandas")
    assert isinstance(found.to_frame(), frames.DataFrame)


def test_points_that_are_estimated_have_the_runs_and_the_seed_that_are_given():
    spec = "smc:particles=40,resampling=systematic"
    (point,) = compare([TREE], [spec], runs=300, seed=7).points
    assert point.tv == estimate(spec, TREE, 300, 7).tv != estimate(spec, TREE, 300, 0).tv


def test_records_have_both_ends_of_an_interval():
    (record,) = Comparison((Point("a", "b", "c", TV(0.1, 0.3, "estimated", 0.99), 4.0, 8.0),)).records()
    assert (record["tv.lo"], record["tv.hi"], record["tv.kind"]) == (0.1, 0.3, "estimated")
    assert (record["reference_draws"], record["value_queries"]) == (4.0, 8.0)

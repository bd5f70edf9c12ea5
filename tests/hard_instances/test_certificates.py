"""Certificates against what is built: audited figures, exact laws, enumeration of hiding places."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from treesim import SMC, Scaled, TreeError, TreesimError, Trellis, family, load, sampler, save, unroll
from treesim.hard_instances import CERTIFICATES, certificate, hidden_prefix, true_reward
from treesim.hard_instances.battery import BATTERY, verify_all

CASES = [
    ("sharpest-guidance", {"horizon": 8, "epsilon": 0.1}),
    ("sharpest-guidance", {"horizon": 2, "epsilon": 3.0}),
    ("sharpest-guidance", {"horizon": 8, "epsilon": "0.5/T"}),
    ("unknown-root", {"horizon": 6, "epsilon": 0.2, "share": 0.1}),
    ("unknown-root", {"horizon": 2, "epsilon": "1/T"}),
    ("hidden-prefix", {"horizon": 9, "epsilon": "0.5"}),
    ("delayed-reward", {"horizon": 5, "ratio": 3.0}),
    ("hidden-prefix", {"horizon": 9}),
    ("hidden-prefix", {"horizon": 9, "form": "trellis"}),
    ("hidden-prefix", {"horizon": 9, "epsilon": 2.0, "branching": 3}),
    ("hidden-prefix", {"horizon": 12, "epsilon": 0.37}),
    ("hidden-prefix", {"horizon": 12, "epsilon": 0.37, "branching": 5, "depth": 3, "form": "trellis"}),
    ("hidden-prefix", {"horizon": 300, "epsilon": 0.1}),
    ("error-amplification", {"horizon": 8, "ratio": 1.3}),
    ("error-amplification", {"horizon": 160, "ratio": 1.1}),
    ("perfect-value", {"horizon": 6}),
    ("perfect-value", {"horizon": 200, "ratio": 2.0}),
    ("masking", {"horizon": 12}),
    ("masking", {"horizon": 5, "topics": 3, "safest": 0.2, "riskiest": 0.6}),
    ("reward-hacking", {"horizon": 8}),
    ("reward-hacking", {"horizon": 3, "ratio": 7.0, "branching": 4}),
]


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize(("name", "parameters"), CASES, ids=lambda case: str(case))
def test_every_figure_is_as_certified(name, parameters, seed, tmp_path):
    instance = family(name, seed=seed, **parameters)
    assert certificate(instance).disagreements(instance) == []
    save(instance, tmp_path / "hard.safetensors")
    assert certificate(load(tmp_path / "hard.safetensors")) == certificate(instance)


def test_every_family_with_a_certificate_is_tested():
    assert {name for name, _ in CASES} == set(CERTIFICATES) == set(CERTIFICATES) & {name for name, _ in BATTERY}


def test_a_wrong_certificate_is_found_out():
    instance = family("hidden-prefix", horizon=9)
    other = certificate(family("hidden-prefix", horizon=9, epsilon=0.9))
    assert len(other.disagreements(instance)) >= 4
    with pytest.raises(TreesimError, match="family 'product' has no certificate"):
        certificate(family("product", horizon=3))


@pytest.mark.parametrize(
    ("horizon", "epsilon", "branching", "depth"), [(9, 1.0, 2, 0), (10, 0.6, 2, 5), (8, 0.9, 3, 4), (7, 1.5, 4, 3)]
)
def test_the_prefix_code_is_equally_likely_and_hides_as_many_as_it_should(horizon, epsilon, branching, depth):
    instance = hidden_prefix(horizon, epsilon, branching, depth, form="tree")
    found, tree = certificate(instance), instance.graph
    boost = horizon - (depth or 2 * horizon // 3)
    assert (
        found.hidden
        == tree.n_leaves
        == min(math.floor((1 + Fraction(epsilon)) ** (2 * boost)), branching ** (horizon - boost))
    )
    np.testing.assert_allclose(instance.reference.prob.to_float(), 1 / found.hidden, rtol=1e-12)
    assert tree.max_degree <= branching
    assert (instance.value.mantissa[: tree.level(horizon - boost).stop] == 1).all()
    good = set()
    for seed in range(400):
        good.add(certificate(hidden_prefix(horizon, epsilon, branching, depth, form="tree", seed=seed)).region[0])
    assert len(good) > min(found.hidden, 400) / 3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spec", ["importance:n=5", "sp-gsmc:pool=3", "smc:particles=1"])
def test_tree_and_trellis_are_the_same_to_a_sampler(spec, seed):
    tree, trellis = (hidden_prefix(7, 0.8, 2, 4, form=form, seed=seed) for form in ("tree", "trellis"))
    assert isinstance(trellis.graph, Trellis)
    tv = [sampler(spec).law(instance).tv(instance.target).lo for instance in (tree, trellis)]
    assert tv[0] == pytest.approx(tv[1], abs=1e-10)


def test_particles_on_the_hidden_prefix():
    """The chain of binomials, one resampling a step; without that at equal weights after the prefix the figures would
    be 0.129046, 0.296306, 0.436279, 0.486689. Simulation on the tree decides."""
    tree, trellis = (hidden_prefix(9, form=form, seed=2) for form in ("tree", "trellis"))
    first = certificate(tree).region[0]
    assert certificate(tree).target_mass == pytest.approx(0.503937, abs=1e-6)

    def chain(particles: int, neutral: bool) -> float:
        n = np.arange(particles + 1)
        kept = n * 2 / (n * 2 + (particles - n) / 2)
        halved, same, weighed = (
            stats.binom.pmf(n, particles, rho[:, None]) for rho in (n / particles / 2, n / particles, kept)
        )
        mass = stats.binom.pmf(n, particles, 0.5)
        for step in [halved] * 5 + [same] * neutral + [weighed] * 2:
            mass = mass @ step
        return float(mass @ kept)

    for particles, other in ((1, 0.015625), (16, 0.129046), (64, 0.296306), (256, 0.436279), (1024, 0.486689)):
        exact = SMC(particles).law(trellis).expected(Scaled.from_float([1.0, 0.0]))
        assert exact == pytest.approx(chain(particles, neutral=True), rel=1e-10)
        assert chain(particles, neutral=False) == pytest.approx(other, abs=5e-7)
    n = 200_000
    hits = (SMC(16).simulate(tree, n, seed=1).leaf == first).mean()
    right, wrong = chain(16, True), chain(16, False)
    # 5.3 standard errors: a false alarm in 10^7.
    assert abs(hits - right) < 5.3 * math.sqrt(right * (1 - right) / n) < abs(hits - wrong)


def test_what_defeats_one_spares_another():
    amplified = [family("error-amplification", horizon=t, ratio=1.1, form="tree") for t in (6, 12)]
    guided, backtracking = (
        [sampler(spec).law(one).tv(one.target).lo for one in amplified]
        for spec in ("sp-gsmc", "vgb:steps=0,stop=first-leaf")
    )
    assert guided[1] > 1.4 * guided[0]
    assert backtracking[1] < 1.1 * backtracking[0] < guided[0]
    perfect = family("perfect-value", horizon=400)
    assert sampler("sp-gsmc").law(perfect).tv(perfect.target).hi < 1e-8
    hacked = family("reward-hacking", horizon=8)
    laws = [sampler(spec).law(hacked) for spec in ("best-of-n:n=1024", "importance:n=1024")]
    assert laws[0].tv(hacked.target).lo > 0.9 > 1e-2 > laws[1].tv(hacked.target).hi
    true = Scaled.from_float(true_reward(hacked))
    assert laws[0].expected(true) < 0.05 < 0.99 < laws[1].expected(true)
    one_or_many = family("sharpest-guidance", horizon=30, epsilon=0.1)
    tv = [sampler(spec).law(one_or_many).tv(one_or_many.target).hi for spec in ("sp-gsmc", "smc:particles=1024")]
    assert tv[0] > 0.85 > 0.2 > tv[1]


def test_particles_with_a_perfect_value_must_grow_like_the_root_of_the_horizon():
    for horizon, least in ((100, 36), (400, 70)):
        instance = family("perfect-value", horizon=horizon)
        enough, short = (SMC(n).law(instance).tv(instance.target) for n in (least, least - 1))
        assert enough.hi <= 0.05 < short.lo


def test_masked_texts_are_counted_one_by_one():
    horizon, risks = 4, [Fraction(1, 4), Fraction(1, 2)]
    instance = family("masking", horizon=horizon, topics=2, safest=0.25, riskiest=0.5)
    texts = [(q, broken) for q in risks for broken in (None, 3, 2, 1)]
    prob = [Fraction(1, 2) * (1 - q) ** (3 if at is None else at - 1) * (1 if at is None else q) for q, at in texts]
    np.testing.assert_allclose(sampler("base").law(instance).prob.to_float(), [float(p) for p in prob], rtol=1e-14)
    assert instance.reward.to_float().tolist() == [float(at is None) for _, at in texts]
    kept = [p if at is None else Fraction(0) for p, (_, at) in zip(prob, texts, strict=True)]
    np.testing.assert_allclose(instance.target.prob.to_float(), [float(p / sum(kept)) for p in kept], rtol=1e-14)
    guided = sampler("sp-gsmc").law(instance).prob.to_float()
    np.testing.assert_allclose(guided, [0.5 * (at is None) for _, at in texts], rtol=1e-14)


def test_parameters_out_of_range_are_refused():
    for name, parameters, message in (
        ("masking", {"horizon": 1}, "horizon is 1, expected at least 2"),
        ("masking", {"horizon": 5, "topics": 1}, "topics is 1, expected at least 2"),
        ("masking", {"horizon": 5, "safest": 0.3}, "safest is 0.3 and riskiest 0.2, expected both strictly between"),
        ("delayed-reward", {"horizon": 5, "ratio": 1.0}, "ratio is 1.0, expected above 1"),
        ("unknown-root", {"horizon": 5, "share": 1.0}, "share is 1, expected strictly between 0 and 1"),
        ("unknown-root", {"horizon": 5, "epsilon": 0.0}, "epsilon is 0"),
        ("hidden-prefix", {"horizon": 9, "depth": 9}, "depth is 9, expected from 1 to 8"),
        ("hidden-prefix", {"horizon": 6, "epsilon": "1/t"}, "expected the same at every level"),
        ("hidden-prefix", {"horizon": 6, "epsilon": 0.1}, "expected at least 2: raise epsilon"),
        ("error-amplification", {"horizon": 2}, "horizon is 2, expected at least 3"),
        ("perfect-value", {"horizon": 4, "ratio": 0.5}, "ratio is 0.5"),
        ("reward-hacking", {"horizon": 4, "branching": 1}, "branching is 1"),
    ):
        with pytest.raises((TreeError, TreesimError), match=message):
            family(name, **parameters)


def test_the_lower_bound_is_kept_by_all_and_an_understated_error_is_caught():
    instance = hidden_prefix(12, epsilon=0.37, form="trellis")
    checks = verify_all(instance)
    assert all(check.holds for check in checks)
    costs = [check for check in checks if check.theorem == "4.2"]
    assert {check.claim.split(":")[0] for check in costs} == {"queries of importance", "queries of smc"}
    assert all(check.measured > check.bound > 2 for check in costs)
    assert [check.theorem for check in verify_all(instance, epsilon=0.3) if not check.holds] == ["3.2"]


def test_an_unrolled_trellis_is_the_hacked_tree():
    trellis = family("reward-hacking", horizon=4, branching=3)
    assert unroll(trellis).graph.n_leaves == 5


@pytest.mark.parametrize("horizon", [6, 9, 12])
def test_the_price_is_what_a_sampler_within_a_third_must_hit_times_the_places(horizon):
    proof = certificate(hidden_prefix(horizon))
    assert proof.forced_hit == pytest.approx(max(0.0, proof.target_mass - 1 / 3), abs=1e-15)
    assert proof.queries == pytest.approx(proof.forced_hit * proof.hidden, rel=1e-12)
    assert proof.queries > 0

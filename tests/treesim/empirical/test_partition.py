"""Estimates of Z: every run of few particles in rational arithmetic, and what runs say."""

import itertools
import math
from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest

from tests.shapes import trellis
from treesim import SMC, Instance, ParticleGibbs, Scaled, diagnose, family, optimal_twist, unroll
from treesim.empirical.partition import exact_means, moment_of_runs, one_run_variances
from treesim.laws.partition import relative_variance


def fraction(number: Scaled, i: int) -> Fraction:
    return Fraction(float(number.mantissa[i])) * Fraction(2) ** int(number.exponent[i])


def moves(instance, t, node):
    """(edge's probability, end, weight) of each step from a node, by pi_ref."""
    graph = instance.graph
    layer, potential = graph.layer(t), graph.potential(t)
    here = fraction(instance.value, graph.level(t).start + node)
    found = []
    for e in range(layer.ptr[node] - layer.ptr[0], layer.ptr[node + 1] - layer.ptr[0]):
        end = int(layer.ends(np.array([e]))[0])
        g = Fraction(1) if potential is None else fraction(potential, e)
        value = fraction(instance.value, graph.level(t + 1).start + end)
        found.append((Fraction(float(layer.prob[e])), end, g * value / here))
    return found


def runs(instance, n, pinned=False):
    """Every run of `n` particles: its probability, Z^, its last weights and ancestors; with a target's path pinned."""
    graph, root = instance.graph, fraction(instance.value, 0)
    found = [(Fraction(1), root, tuple((0, Fraction(1), i) for i in range(n)))]
    for t in range(graph.horizon):
        longer = []
        twist = [fraction(instance.twist, graph.level(t).start + v) for v in range(graph.n_level(t))]
        after = [fraction(instance.twist, graph.level(t + 1).start + v) for v in range(graph.n_level(t + 1))]
        for prob, z, cloud in found:
            total = sum(weight for _, weight, _ in cloud)
            options = []
            for i in range(n):
                mine = []
                for parent, (node, weight, eve) in enumerate(cloud):
                    if pinned and i == 0 and parent > 0:
                        continue
                    share = Fraction(1) if pinned and i == 0 else weight / total
                    for p, end, gain in moves(instance, t, node):
                        here = fraction(instance.value, graph.level(t).start + node)
                        there = fraction(instance.value, graph.level(t + 1).start + end)
                        # The target's step is p g V*(c) / V*(v), and the weight is g V(c) / V(v).
                        q = p * gain * here / there * after[end] / twist[node] if pinned and i == 0 else p
                        if share * q:
                            mine.append((share * q, (end, gain, i if t == 0 else eve)))
                options.append(mine)
            for chosen in itertools.product(*options):
                chance = math.prod((q for q, _ in chosen), start=prob)
                next_cloud = tuple(particle for _, particle in chosen)
                mean = sum(weight for _, weight, _ in next_cloud) / n
                longer.append((chance, z * mean, next_cloud))
        found = longer
    return found


def small(seed):
    instance = trellis(seed, horizon=2, nodes=2, edges=2)
    value = instance.value.to_float()
    return Instance(instance.graph, Scaled.from_float(np.where(value > 0, value, 1.0)))


@pytest.fixture(params=["trellis", "potentials", "tree"])
def instance(request):
    if request.param == "trellis":
        return small(3)
    if request.param == "potentials":
        return family("hmm", horizon=3, states=2, lookahead=1, seed=2)
    return family("dirichlet", horizon=2, perturbation="log-normal:sigma=0.5", seed=1)


def test_the_variance_of_the_estimate_is_that_of_all_runs_and_one_run_tells_it_without_bias(instance):
    """E[Z^^2 V] = Var(Z^), run by run, in fractions."""
    z, n = fraction(instance.twist, 0), 2
    every = runs(instance, n)
    assert sum(prob for prob, _, _ in every) == pytest.approx(1.0)
    assert float(sum(prob * found for prob, found, _ in every) / z) == pytest.approx(1.0, rel=1e-13)
    variance = float(sum(prob * found**2 for prob, found, _ in every) / z**2 - 1)
    root, log_z = float(instance.value.log()[0]), instance.audit.log_partition
    assert relative_variance(SMC(n).mechanism(instance), n, root, log_z) == pytest.approx(variance, rel=1e-11)
    told = Fraction(0)
    for prob, found, cloud in every:
        total = sum(weight for _, weight, _ in cloud)
        apart = sum(
            a[1] * b[1] for a, b in itertools.product(cloud, repeat=2) if a[2] != b[2]
        ) / total**2  # fmt: skip
        told += prob * found**2 * (1 - Fraction(n, n - 1) ** instance.graph.horizon * apart)
    assert float(told / z**2) == pytest.approx(variance, rel=1e-11)


def test_the_mean_logs_of_free_and_pinned_runs_are_those_of_all_runs(instance):
    for pinned, found in zip((False, True), exact_means(SMC(2), instance), strict=True):
        every = runs(instance, 2, pinned)
        assert sum(prob for prob, _, _ in every) == pytest.approx(1.0)
        expected = sum(float(prob) * math.log(z) for prob, z, _ in every)
        assert found == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize(("particles", "proposal"), [(3, "reference"), (3, "optimal"), (8, "reference")])
def test_what_runs_say_agrees_with_what_is_true(particles, proposal):
    """20,000 runs, each mean within 5 standard errors; the gaps are at least the KL of the output alone."""
    instance = family("hmm", horizon=5, states=2, lookahead=0, seed=4)
    sampler = SMC(particles, proposal=proposal)
    found = diagnose(sampler, instance, n=20_000, seed=1).partition
    lower, upper = exact_means(sampler, instance)
    log_z = instance.audit.log_partition
    assert found.log_partition == log_z
    assert lower < log_z < upper
    assert abs(found.lower - lower) < 5 * found.lower_error
    assert abs(found.upper - upper) < 5 * found.upper_error
    law = sampler.law(instance)
    assert law.kl(instance.target) < log_z - lower
    clouds = sampler.clouds(instance, 20_000, np.random.default_rng(1), keeps_ancestry=True, apart=True)
    told = np.exp(2 * (clouds.log_partition - log_z)) * one_run_variances(clouds)[0]
    assert abs(told.mean() - found.relative_variance) < 5 * told.std() / math.sqrt(20_000)


def test_the_variance_at_any_horizon_is_that_of_the_product_model():
    """Steps of relative variance 1/4 each, independent: (1 + 1 / 4N)^T - 1."""
    instance = family("perfect-value", horizon=300, ratio=3.0)
    root, log_z = 0.0, instance.audit.log_partition
    for n in (16, 1000):
        found = relative_variance(SMC(n).mechanism(instance), n, root, log_z)
        assert found == pytest.approx((1 + 0.25 / n) ** 300 - 1, rel=1e-9)


def test_values_of_any_size_do_not_matter():
    noisy = {"perturbation": "random-sign", "epsilon": 0.1}
    instance = family("markov", horizon=30, states=3, reward="additive:beta=0.01", **noisy)
    root, log_z = float(instance.value.log()[0]), instance.audit.log_partition
    assert abs(log_z) > 700
    found = relative_variance(SMC(64).mechanism(instance), 64, root, log_z)
    assert 0 < found < math.inf


def test_where_a_path_of_the_target_has_no_value_nothing_bounds_from_above():
    twist = optimal_twist(family("uniform", horizon=2).graph, np.zeros(4))
    value = twist.to_float().copy()
    value[1] = 0.0
    blind = Instance(family("uniform", horizon=2).graph, Scaled.from_float(value))
    found = diagnose(SMC(3), blind, n=50).partition
    assert found.upper is None
    assert found.document()["upper"] is None


def test_other_samplers_say_nothing_and_other_schemes_no_variance():
    instance = family("dirichlet", horizon=3, perturbation="log-normal:sigma=0.5")
    assert diagnose("base", instance).partition is None
    other = diagnose(SMC(4, "systematic"), instance).partition
    assert other.relative_variance is other.one_run_variance is None
    assert other.lower < other.upper
    assert exact_means(SMC(4, "systematic"), instance) is None
    assert diagnose(ParticleGibbs(4, 2), instance).partition.relative_variance > 0
    assert diagnose(SMC(1), instance).partition.one_run_variance is None
    assert diagnose(SMC(1), instance).partition.moment is None


def test_one_run_tells_the_variance_of_a_moment():
    """Chan & Lai's estimate by its definition, run by run; and as N grows it is the variance of runs."""
    instance = family("hmm", horizon=5, states=2, lookahead=0, seed=4)
    small = SMC(6)
    clouds = small.clouds(instance, 300, np.random.default_rng(1), keeps_ancestry=True, apart=True)
    found = moment_of_runs(instance, clouds)
    told, estimates = [], []
    for r in range(300):
        weight, leaf = clouds.weight[r] / 6, clouds.leaf[r]
        estimate = sum(w for w, v in zip(weight, leaf, strict=True) if v == found.node)
        families = defaultdict(float)
        for i in range(6):
            eve = i
            for _, origin in reversed(clouds.history[1:]):
                eve = int(origin[r, eve])
            families[eve] += weight[i] * ((leaf[i] == found.node) - estimate)
        told.append(sum(each**2 for each in families.values()))
        estimates.append(estimate)
    assert found.one_run_variance == pytest.approx(np.mean(told), rel=1e-12)
    assert found.one_run_spread == pytest.approx(np.std(told), rel=1e-12)
    assert (found.mean, found.variance) == pytest.approx((np.mean(estimates), np.var(estimates, ddof=1)), rel=1e-12)

    many = diagnose(SMC(400), instance, n=4_000, seed=2).partition.moment
    # Paths in order: the last step of every other one leads to the same node.
    assert many.prob == pytest.approx(unroll(instance).target.prob.to_float()[many.node :: 2].sum(), rel=1e-12)
    # The variance of 4,000 runs is within 12% of the truth, at five standard errors.
    assert many.one_run_variance == pytest.approx(many.variance, rel=0.15)
    assert abs(many.mean - many.prob) < 0.01

"""The weight of a run, against every pool of small trees in rational arithmetic."""

from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest

from tests.logs import as_often_as_likely, every_outcome, log_of, rational
from treesim import GuidedSMC, Instance, Scaled, Tree, family
from treesim.measure.simulation import guided_log
from treesim.measure.weights import (
    acceptance,
    average_case,
    log_weights,
    mean_square_weight,
    normalised,
    paths_needed,
    steps_of,
    tv_upper,
)

# Uneven branches, one of them alone, on either of which values are off both ways.
UNEVEN = Tree(np.array([0, 1, 3, 6]), np.array([0, 2, 3, 5]), np.array([0.5, 0.5, 1.0, 0.25, 0.75]))
BINARY = Tree.complete(branching=2, horizon=2)


def instance_of(tree, values):
    return Instance(tree, Scaled.from_float(np.array(values, float)))


CASES = {
    "uneven": instance_of(UNEVEN, [7, 1, 3, 2, 4, 1]),
    "binary": instance_of(BINARY, [5, 2, 1, 1, 3, 2, 0]),
    "zero reward": instance_of(BINARY, [2, 1, 3, 0, 0, 2, 1]),
}


def weights_by_length(log):
    return [np.exp(w) for w in log_weights(log, steps_of(log))]


@pytest.mark.parametrize("pool", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_weights_make_every_prefix_as_likely_as_pi_ref_times_value(name, pool):
    instance = CASES[name]
    outcomes, (value, children) = every_outcome(instance, pool), rational(instance)
    reach = {0: Fraction(1)}
    for v, below in enumerate(children):
        reach |= {c: reach[v] * p for c, p in below}
    assert sum(run.prob for run in outcomes) == 1
    for t, weight in enumerate(weights_by_length(log_of(instance, outcomes)), 1):
        found = defaultdict(float)
        for run, w in zip(outcomes, weight, strict=True):
            found[run.nodes[t]] += float(run.prob) * w
        for v in range(*instance.graph.level(t).indices(instance.graph.n_nodes)):
            assert found[v] == pytest.approx(float(reach[v] * value[v] / value[0]), abs=1e-12), (t, v)


def test_a_value_of_zero_is_believed():
    """Paths through it have no weight, whatever they are worth: the target is that of the others."""
    instance = instance_of(BINARY, [1, 0, 1, 4, 4, 1, 3])
    outcomes = every_outcome(instance, 2)
    found = defaultdict(float)
    for run, weight in zip(outcomes, weights_by_length(log_of(instance, outcomes))[-1], strict=True):
        found[run.nodes[-1]] += float(run.prob) * weight
    assert found[3] == found[4] == 0.0
    assert found[6] == pytest.approx(3 * found[5])


@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize("name", ["uneven", "zero reward"])
def test_means_over_all_runs_are_expectations(name, pool):
    instance = CASES[name]
    runs = as_often_as_likely(every_outcome(instance, pool))
    log = log_of(instance, runs)
    steps, n = steps_of(log), len(runs)
    *_, log_weight = log_weights(log, steps)
    weight = normalised(log_weight)
    law = GuidedSMC(pool=pool).law(instance)
    assert tv_upper(log_weight, 0.95).estimate >= law.tv(instance.target).hi - 1e-12
    upper, lower = average_case(log, steps)
    assert lower.mean() - 1e-12 <= instance.guidance.average_case_bound <= upper.mean() + 1e-12
    assert mean_square_weight(weight).mean() == pytest.approx((weight**2).mean())
    pairs = np.minimum(weight[:, None], weight[None, :])
    values, _ = acceptance(weight)
    assert values.mean() == pytest.approx((pairs.sum() - weight.sum()) / n / (n - 1))


@pytest.mark.parametrize("name", CASES)
def test_b_closes_in_from_either_side_with_large_pools(name):
    instance = CASES[name]
    log = guided_log(instance, 400, 2000, seed=1)
    upper, lower = average_case(log, steps_of(log))
    bound = instance.guidance.average_case_bound
    assert upper.mean() == pytest.approx(bound, abs=0.04) and lower.mean() == pytest.approx(bound, abs=0.04)


def test_the_influence_of_runs_is_what_leaving_them_out_does():
    """Jackknife: n estimate - (n - 1) estimate without a run, on runs of different lengths."""
    rng, log = np.random.default_rng(0), guided_log(CASES["uneven"], 3, 60, seed=3)
    longer = guided_log(family("dirichlet", horizon=3, perturbation="log-normal:sigma=0.5", seed=2), 3, 60, seed=4)
    log = joined(log, longer, 60)
    steps = steps_of(log)
    *_, log_weight = log_weights(log, steps)
    weight = normalised(log_weight)
    functions = {
        "upper": lambda log: average_case(log, steps_of(log))[0],
        "lower": lambda log: average_case(log, steps_of(log))[1],
        "square": lambda log: mean_square_weight(normalised(list(log_weights(log, steps_of(log)))[-1])),
        "acceptance": lambda log: acceptance(normalised(list(log_weights(log, steps_of(log)))[-1]))[0],
    }
    assert len(weight) == 120
    for name, function in functions.items():
        influence = function(log)
        for i in rng.integers(0, 120, 12).tolist():
            rest = [run for run in range(120) if run != i]
            jackknife = 120 * influence.mean() - 119 * function(taken(log, rest)).mean()
            assert jackknife == pytest.approx(influence[i], abs=0.06 * influence.std() + 0.02), name


def taken(log, runs):
    """Some runs of a log."""
    from dataclasses import replace

    lines = np.concatenate([np.arange(log.start[i], log.start[i + 1]) for i in runs])
    sizes = np.diff(log.pool_start)[lines]
    children = np.concatenate([np.arange(log.pool_start[line], log.pool_start[line + 1]) for line in lines])
    return replace(
        log, runs=[log.runs[i] for i in runs], start=np.append(0, np.cumsum(log.lengths[runs])),
        log_value=log.log_value[lines], pool_start=np.append(0, np.cumsum(sizes)), log_pool=log.log_pool[children],
        kept=log.kept[lines],
    )  # fmt: skip


def joined(one, other, shift):
    """Two logs in one."""
    from dataclasses import replace

    return replace(
        one, runs=[*one.runs, *(run + shift for run in other.runs)],
        start=np.append(one.start, one.start[-1] + other.start[1:]),
        log_value=np.append(one.log_value, other.log_value),
        pool_start=np.append(one.pool_start, one.pool_start[-1] + other.pool_start[1:]),
        log_pool=np.append(one.log_pool, other.log_pool), kept=np.append(one.kept, other.kept),
    )  # fmt: skip


def test_the_bound_on_tv_holds_where_chi_square_is_known():
    """5000 logs of 40 runs: the level is kept, beyond all doubt, where the second moment is no guess."""
    rng = np.random.default_rng(5)
    # Weights 5 with probability 1/8, else 1/2: the mean is 17/16.
    high = rng.random((5000, 40)) < 1 / 8
    mean, second = 17 / 16, (25 + 7 / 4) / 8
    truth = 7 / 8 * (1 - 8 / 17)
    bounds = [tv_upper(np.log(np.where(row, 5.0, 0.5)), 0.9, second / mean**2 - 1).hi for row in high]
    missed = np.mean(np.array(bounds) < truth)
    assert missed <= 0.1 and np.mean(bounds) < 0.95
    weights = np.log(rng.gamma(8.0, size=400))
    surer = [tv_upper(weights, level).hi for level in (0.05, 0.5, 0.9, 0.99)]
    assert surer == sorted(surer) and surer[0] + 0.05 < surer[-1]


def test_no_log_bounds_a_tail_that_it_has_not_met():
    """Weights that are one but for a path of probability 1e-4: the plug-in is sure of a TV near 0, and it is near 1."""
    chance, heavy = 1e-4, 1e8
    mean = 1 - chance + chance * heavy
    truth = (1 - chance) * (1 - 1 / mean)
    unseen = np.zeros(1000)
    assert truth > 0.99 and tv_upper(unseen, 0.95).hi < 0.01
    assert tv_upper(unseen, 0.95, chi_square=chance * heavy**2 / mean**2 - 1).hi == 1.0


def test_weights_of_zero_and_logs_without_any():
    assert tv_upper(np.full(50, -np.inf), 0.95).hi == 1.0
    assert paths_needed(np.full(50, -np.inf), 0.1).importance is None
    some = np.append(np.zeros(50), -np.inf)
    assert paths_needed(some, 0.1).chebyshev is None and paths_needed(some, 0.01).metropolis == 2
    assert paths_needed(np.zeros(50), 0.01) == paths_needed(np.full(50, 7.0), 0.01)
    assert paths_needed(np.zeros(50), 0.01).importance == 1


@pytest.mark.parametrize("delta", [0.1, 0.01])
def test_corrections_by_so_many_paths_are_near_enough(delta):
    """The law of Algorithm 2, and of selection, on a tree whose weights were all seen."""
    instance = family("dirichlet", horizon=2, perturbation="log-normal:sigma=0.4", seed=4)
    log = guided_log(instance, 2, 4000, seed=1)
    *_, log_weight = log_weights(log, steps_of(log))
    needed = paths_needed(log_weight, delta)
    law = GuidedSMC(pool=2, mh=needed.metropolis).law(instance)
    assert law.tv(instance.target).hi <= delta
    shift = (log_weight.max() + log_weight.min()) / 2
    bound = float(np.exp((log_weight.max() - log_weight.min()) / 2))
    # Selection takes weights in units of the middle of their range, and V^(root) sets the unit of treesim's.
    value = instance.value.to_float().copy()
    value[0] *= np.exp(shift)
    centred = Instance(instance.graph, Scaled.from_float(value))
    law = GuidedSMC(pool=2, chebyshev=needed.chebyshev, bound=bound * 1.0001).law(centred)
    assert law.tv(instance.target).hi <= delta * 1.01

import itertools
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from treesim import (
    PERTURBATIONS,
    GuidedSMC,
    Instance,
    PerturbationError,
    Scaled,
    Tree,
    audit,
    epsilon_schedule,
    family,
    guidance_bound,
    optimal_twist,
    perturb,
)
from treesim.hard_instances import sharpest_guidance
from treesim.instances.adversary import _Problem
from treesim.instances.perturbations import (
    Adversarial,
    BottomUp,
    ConstantUp,
    Correlated,
    Exact,
    LogNormal,
    LogUniform,
    RandomSign,
    StudentT,
)
from treesim.testing.strategies import problems

BOTTOM_UP = [kind for kind in PERTURBATIONS.values() if issubclass(kind, BottomUp)]
TOP_DOWN = [LogNormal, StudentT, Correlated]


@pytest.mark.parametrize("kind", BOTTOM_UP)
@given(problem=problems(), epsilon=st.one_of(st.floats(1e-9, 3.0), st.just(50.0)), seed=st.integers(0, 9))
@settings(max_examples=30)
def test_the_audited_error_is_the_one_asked_for(kind, problem, epsilon, seed):
    tree, reward = problem
    twist = optimal_twist(tree, Scaled.from_float(reward))
    value = perturb(tree, twist, kind(), epsilon, seed=seed)
    assert audit(tree, value, twist).bellman_error == pytest.approx(epsilon, rel=1e-12, abs=1e-12)
    assert value[tree.leaves].equals(twist[tree.leaves])
    assert np.array_equal(value.mantissa == 0, twist.mantissa == 0)


@pytest.mark.parametrize(
    ("text", "errors"),
    [("0.5", [0.5] * 4), ("0.6/T", [0.15] * 4), ("0.6/sqrt(T)", [0.3] * 4), (" 0.6 / t ", [0.6, 0.3, 0.2, 0.15])],
)
def test_schedules_are_what_they_say(text, errors):
    np.testing.assert_allclose(epsilon_schedule(text, 4), errors, rtol=1e-15)


@pytest.mark.parametrize("kind", BOTTOM_UP)
@pytest.mark.parametrize("schedule", ["0.5/T", "0.5/t", "0.2/sqrt(T)"])
def test_every_level_has_the_error_of_its_schedule(kind, schedule):
    instance = family("dirichlet", horizon=7, perturbation=kind.name, epsilon=schedule, seed=1)
    np.testing.assert_allclose(instance.audit.sup, epsilon_schedule(schedule, 7), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", BOTTOM_UP)
@pytest.mark.parametrize("epsilon", [0.01, 0.1, 0.4])
def test_a_ratio_cap_is_kept_or_the_reachable_epsilon_named(kind, epsilon):
    tree = Tree.complete(2, 4)
    twist = optimal_twist(tree, 0.2 * np.random.default_rng(3).normal(size=16))
    for cap in (1.0001, 1.05, 1.2, 1.35, 1.6, 3.0):
        try:
            value = perturb(tree, twist, kind(), epsilon, ratio_cap=cap, seed=2)
        except PerturbationError as error:
            named = re.search(r": ([\d.e-]+) is reachable", str(error))
            if named is None:
                assert "raise the cap" in str(error)
                continue
            reachable = float(named[1])
            value = perturb(tree, twist, kind(), reachable, ratio_cap=cap, seed=2)
            assert audit(tree, value, twist).bellman_error == pytest.approx(reachable, abs=1e-12)
        else:
            assert audit(tree, value, twist).bellman_error == pytest.approx(epsilon, abs=1e-12)
        assert audit(tree, value, twist).ratio_bound <= cap * (1 + 1e-12)


def test_a_cap_that_cuts_some_nodes_still_attains_epsilon_elsewhere():
    tree = Tree.complete(2, 6)
    twist = optimal_twist(tree, np.zeros(64))
    free = perturb(tree, twist, RandomSign(), 0.2, seed=1)
    cap = 0.85 * audit(tree, free, twist).ratio_bound
    capped = perturb(tree, twist, RandomSign(), 0.2, ratio_cap=cap, seed=1)
    found = audit(tree, capped, twist)
    assert found.ratio_bound == pytest.approx(cap, rel=1e-12)
    assert found.bellman_error == pytest.approx(0.2, abs=1e-12)
    assert not capped.equals(free)


def test_a_cap_that_forces_a_level_above_its_own_epsilon_is_refused():
    # The root's children stand at 1.3 and 2.08, so a cap of 1.3 leaves it from 1.6 on; P V^ is 1.378.
    tree = Tree.complete(2, 2, policy=[0.9, 0.1])
    twist = optimal_twist(tree, np.log([1.0, 1.0, 1.6, 1.6]))
    assert audit(tree, perturb(tree, twist, ConstantUp(), [0.01, 0.3], ratio_cap=1.6), twist).sup == pytest.approx(
        [0.01, 0.3]
    )
    with pytest.raises(PerturbationError, match=r"forces a Bellman error of 0\.161103 at level 0, whose own is 0\.01;"):
        perturb(tree, twist, ConstantUp(), [0.01, 0.3], ratio_cap=1.3)
    allowed = perturb(tree, twist, ConstantUp(), [0.17, 0.3], ratio_cap=1.3)
    assert audit(tree, allowed, twist).sup == pytest.approx([0.17, 0.3])


def test_zero_rewards_cannot_be_capped():
    tree = Tree.complete(2, 1)
    twist = optimal_twist(tree, [0.0, -np.inf])
    with pytest.raises(PerturbationError, match=r"no epsilon is reachable.*ratio of inf between node 0"):
        perturb(tree, twist, ConstantUp(), 0.1, ratio_cap=5.0)


@pytest.mark.parametrize("kind", TOP_DOWN)
def test_noise_keeps_the_reward_and_the_zeros(kind):
    tree = Tree.complete(3, 4)
    log_reward = np.where(np.arange(81) % 7 == 0, -np.inf, np.arange(81.0) * 10)
    twist = optimal_twist(tree, log_reward)
    value = perturb(tree, twist, kind(sigma=0.5), seed=1)
    assert value[tree.leaves].equals(twist[tree.leaves])
    assert np.array_equal(value.mantissa == 0, twist.mantissa == 0)
    assert audit(tree, value, twist).bellman_error > 0.1


def log_noise(kind, seed=0):
    tree = Tree.complete(2, 12)
    twist = optimal_twist(tree, np.zeros(tree.n_leaves))
    return tree, perturb(tree, twist, kind, seed=seed).log()


def test_log_normal_noise_has_its_spread():
    tree, noise = log_noise(LogNormal(sigma=0.3))
    # 2048 standard normals: the sample deviation is within 8 percent at six sigma.
    assert noise[tree.level(11)].std() == pytest.approx(0.3, rel=0.1)


def test_student_noise_has_heavier_tails_than_normal():
    (tree, student), (_, normal) = log_noise(StudentT(sigma=0.1, df=2.0)), log_noise(LogNormal(sigma=0.1))
    level = tree.level(11)
    assert np.abs(student[level]).max() > 3 * np.abs(normal[level]).max()


def test_correlated_noise_has_its_correlation_and_spread():
    tree, noise = log_noise(Correlated(sigma=0.2, correlation=0.8))
    parents, below = np.repeat(noise[tree.level(10)], 2), noise[tree.level(11)]
    # Over 2048 pairs sampling error is below 0.02, plus the shared history of neighbours.
    assert np.corrcoef(parents, below)[0, 1] == pytest.approx(0.8, abs=0.08)
    assert below.std() == pytest.approx(0.2, rel=0.3)


def test_the_exact_perturbation_is_the_twist():
    tree = Tree.complete(2, 2)
    twist = optimal_twist(tree, [0.0, 1.0, 2.0, 3.0])
    assert perturb(tree, twist, Exact()).equals(twist)


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_the_same_seed_gives_the_same_value(kind):
    epsilon = 0.2 if issubclass(PERTURBATIONS[kind], BottomUp) else None
    a, b = (family("uniform", horizon=6, perturbation=kind, epsilon=epsilon, seed=4) for _ in range(2))
    assert a.value.equals(b.value)


@given(problems(numbers=st.floats(0.05, 20.0)), st.floats(0.01, 1.0), st.integers(0, 5))
@settings(max_examples=40)
def test_no_pattern_of_signs_beats_the_adversary_on_small_trees(problem, epsilon, seed):
    tree, reward = problem
    twist = optimal_twist(tree, Scaled.from_float(reward))
    worst = guided_tv(tree, twist, Adversarial(), epsilon, seed)
    for name in ("random-sign", "constant-up", "constant-down", "log-uniform"):
        assert guided_tv(tree, twist, PERTURBATIONS[name](), epsilon, seed) <= worst + 1e-12
    assert worst <= guidance_bound(tree.horizon, epsilon).sharp + 1e-12


def guided_tv(tree, twist, kind, epsilon, seed=0):
    instance = Instance(tree, perturb(tree, twist, kind, epsilon, seed=seed))
    return GuidedSMC().law(instance).tv(instance.target).hi


@given(problems(max_leaves=6, numbers=st.floats(0.05, 20.0)), st.floats(0.05, 1.0))
@settings(max_examples=25)
def test_local_search_finds_nearly_what_enumeration_finds(problem, epsilon):
    import treesim.instances.adversary

    tree, reward = problem
    assume(tree.horizon >= 2)
    twist = optimal_twist(tree, Scaled.from_float(reward))
    best = guided_tv(tree, twist, Adversarial(), epsilon)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(treesim.instances.adversary, "LARGEST_EXACT", -1)
        found = guided_tv(tree, twist, Adversarial(), epsilon)
    assert found <= best + 1e-12
    assert found >= 0.8 * best - 1e-12


def test_local_search_beats_random_signs_on_a_tree_too_large_to_enumerate():
    instances = {
        kind: family("dirichlet", horizon=9, perturbation=kind, epsilon="0.5/T", seed=2)
        for kind in ("adversarial", "random-sign")
    }
    tv = {kind: GuidedSMC().law(i).tv(i.target).hi for kind, i in instances.items()}
    bound = guidance_bound(9, 0.5 / 9).sharp
    assert tv["random-sign"] < 0.5 * tv["adversarial"]
    assert 0.95 * bound < tv["adversarial"] <= bound


def test_the_adversary_bears_huge_errors_on_long_paths():
    instance = sharpest_guidance(horizon=300, epsilon=0.01)  # 20^300 is beyond floats
    value = perturb(instance.graph, instance.twist, Adversarial(), 20.0)
    found = Instance(instance.graph, value)
    assert found.audit.bellman_error == pytest.approx(20.0, rel=1e-12)
    assert GuidedSMC().law(found).tv(found.target).hi > 0.9


@pytest.mark.parametrize(
    ("epsilon", "message"),
    [
        ("0.1/x", "expected a number, c/T"),
        ("much", "epsilon is 'much'"),
        (-0.1, "epsilon is -0.1, expected a finite number of at least 0"),
        ("inf", "epsilon is inf"),
        ([0.1, 0.2], "one for each of 3 levels"),
    ],
)
def test_bad_schedules_are_refused(epsilon, message):
    with pytest.raises(PerturbationError, match=message):
        epsilon_schedule(epsilon, 3)


def test_epsilon_is_needed_or_refused_according_to_the_kind():
    tree = Tree.complete(2, 2)
    twist = optimal_twist(tree, np.zeros(4))
    with pytest.raises(PerturbationError, match="'constant-up' needs an epsilon"):
        perturb(tree, twist, ConstantUp())
    with pytest.raises(PerturbationError, match=r"'log-normal' takes no epsilon.*these do: constant-up"):
        perturb(tree, twist, LogNormal(), epsilon=0.1)
    with pytest.raises(PerturbationError, match=r"ratio cap is 0\.5, expected a finite number of at least 1"):
        perturb(tree, twist, ConstantUp(), epsilon=0.1, ratio_cap=0.5)


def test_a_child_that_pi_ref_cannot_draw_does_not_count_for_the_cap():
    tree = Tree.complete(2, 1, policy=[1.0, 0.0])
    value = perturb(tree, optimal_twist(tree, [0.0, 50.0]), ConstantUp(), 0.1, ratio_cap=2.0)
    assert value.to_float()[0] == pytest.approx(1.1, rel=1e-14)


@pytest.mark.parametrize("seed", range(6))
def test_the_best_signs_for_a_set_are_the_best_of_all_patterns(seed):
    """Dinkelbach's method against every pattern: the guided mass of the set."""
    tree = Tree.random(horizon=4, branching=2, seed=seed)
    rng = np.random.default_rng(seed)
    twist = optimal_twist(tree, rng.normal(size=tree.n_leaves))
    problem = _Problem(tree, twist, np.log1p(rng.uniform(0.2, 3.0, 4)))
    inside = rng.random(len(problem.mass)) < 0.5
    inside[0], inside[-1] = True, len(inside) == 1

    def guided_mass(tilt):
        weight = problem.mass * np.exp(tilt)
        return weight[inside].sum() / weight.sum()

    free = [(t, v) for t in range(1, 4) for v in range(tree.n_level(t))]
    patterns = []
    for signs in itertools.product([-1.0, 1.0], repeat=len(free)):
        levels = problem.constant()
        for (t, v), sign in zip(free, signs, strict=True):
            levels[t][v] = sign
        patterns.append(guided_mass(problem.log_tilt(levels)))
    assert guided_mass(problem.best_signs(inside)[1]) == pytest.approx(max(patterns), rel=1e-12)


@pytest.mark.parametrize(
    ("plain", "changed"),
    [
        (LogNormal(0.2), LogNormal(0.3)),
        (StudentT(0.2, 3.0), StudentT(0.3, 3.0)),
        (StudentT(0.2, 3.0), StudentT(0.2, 1.5)),
        (Correlated(0.2, 0.5), Correlated(0.3, 0.5)),
        (Correlated(0.2, 0.5), Correlated(0.2, 0.7)),
    ],
)
def test_every_parameter_of_a_noise_counts(plain, changed):
    tree = Tree.complete(2, 3)
    twist = optimal_twist(tree, np.zeros(8))
    one, other = (perturb(tree, twist, kind, seed=1).log()[1:7] for kind in (plain, changed))
    assert (one != other).all()


def test_a_heavy_tail_is_that_of_its_degrees_of_freedom():
    tree = Tree.complete(2, 15)
    noise = perturb(tree, optimal_twist(tree, np.zeros(tree.n_leaves)), StudentT(1.0, 1.0), seed=1).log()
    # Of Cauchy's law a half is beyond 1, and a share of 0.2 beyond 3.08; over 32,767 nodes.
    assert np.mean(np.abs(noise[: tree.leaves.start]) > 1.0) == pytest.approx(0.5, abs=0.015)
    assert np.mean(np.abs(noise[: tree.leaves.start]) > 3.0777) == pytest.approx(0.2, abs=0.012)


@pytest.mark.parametrize("correlation", [0.0, 0.6, -0.6])
def test_correlated_noise_has_one_size_on_every_level(correlation):
    tree = Tree.complete(6, 6)
    noise = perturb(tree, optimal_twist(tree, np.zeros(tree.n_leaves)), Correlated(0.3, correlation), seed=1).log()
    below, above = noise[tree.level(5)], np.repeat(noise[tree.level(4)], 6)
    assert below.std() == pytest.approx(0.3, rel=0.06)
    assert np.corrcoef(above, below)[0, 1] == pytest.approx(correlation, abs=0.04)


@pytest.mark.parametrize("seed", range(8))
def test_nodes_that_do_not_count_do_not_set_the_scale_of_a_level(seed):
    """Of level 1 one node is out of reach, of level 2 one has no reward ahead."""
    tree = Tree.complete(2, 3, policy=[1.0, 0.0, *[0.5] * 12])
    twist = optimal_twist(tree, np.append([0.0, 1.0, -np.inf, -np.inf], np.zeros(4)))
    value = perturb(tree, twist, LogUniform(), 0.5, seed=seed)
    np.testing.assert_allclose(audit(tree, value, twist).sup, 0.5, rtol=1e-12)

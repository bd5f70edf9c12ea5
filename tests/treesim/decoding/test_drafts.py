"""Draft and target: the two models by themselves, and particles whose value is perfect."""

import itertools
import math

import numpy as np
import pytest

from tests.treesim.graphs.test_potentials import paths
from treesim import SpecError, family, sampler
from treesim.decoding.ngram import train

TEXT = "the cat sat on the mat and the rat sat on the cat " * 3


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return str(path)


def probabilities(model, horizon):
    """Of all texts, in the order of their tokens."""
    found = []
    for tokens in itertools.product(range(len(model.vocabulary)), repeat=horizon):
        state, prob = 0, 1.0
        for token in tokens:
            prob *= model.chain.prob[state, token]
            state = model.chain.next_state[state, token]
        found.append(prob)
    return np.array(found)


def by_path(law, graph):
    edges = paths(graph)
    prob = np.ones(len(edges))
    for t in range(graph.horizon):
        prob *= law.steps.edges(t).to_float()[edges[:, t]]
    return prob


@pytest.mark.parametrize(("order", "draft"), [(3, 2), (4, 2), (2, 1), (3, 3), (2, 0)])
def test_pi_ref_is_the_draft_and_the_target_the_long_model(text, order, draft):
    instance = family("draft-and-target", horizon=4, order=order, draft=draft, tokens=5, text=text)
    long = probabilities(train(TEXT, order=order, tokens=5), 4)
    short = probabilities(train(TEXT, order=draft, tokens=5), 4) if draft else np.full(5**4, 5.0**-4)
    np.testing.assert_allclose(by_path(instance.target, instance.graph), long, rtol=1e-12)
    np.testing.assert_allclose(by_path(instance.reference, instance.graph), short, rtol=1e-12)
    assert instance.audit.log_partition == pytest.approx(0.0, abs=1e-13)
    assert instance.audit.bellman_error == pytest.approx(0.0, abs=1e-13)
    assert instance.twist.to_float() == pytest.approx(np.ones(instance.graph.n_nodes), abs=1e-13)
    kl = sampler("base").law(instance).kl(instance.target)
    assert kl == pytest.approx(float((short * np.log(short / long)).sum()), abs=1e-13)


def test_a_guided_step_is_the_target_and_particles_that_follow_the_draft_are_not(text):
    instance = family("draft-and-target", horizon=5, order=2, draft=1, tokens=3, text=text)
    assert sampler("sp-gsmc").law(instance).tv(instance.target).hi < 1e-11
    errors = [sampler(f"smc:particles={n}").law(instance).tv(instance.target) for n in (1, 2, 3)]
    assert errors[0].lo > errors[1].lo > errors[2].lo > 0.1
    assert {tv.kind for tv in errors[1:]} == {"exact"}
    optimal = sampler("smc:particles=3,proposal=optimal").law(instance).tv(instance.target)
    assert optimal.hi < 1e-10


def symmetric(tmp_path, repeats=150):
    """Text of two letters, each of which is followed by itself as often as the other is."""
    path = tmp_path / "ab.txt"
    path.write_text(("aaaa" + "bbbb") * repeats + "a")
    return str(path)


def test_particles_with_a_perfect_value_need_as_many_as_the_discovery_says(tmp_path):
    """A uniform draft of a chain that repeats with chance s: the product model of ratio s / (1 - s), step by step."""
    from treesim.hard_instances.counting_ones import binomial_tv
    from treesim.samplers import Importance

    file = symmetric(tmp_path)
    instance = family("draft-and-target", horizon=101, order=2, draft=0, tokens=2, smoothing="additive", text=file)
    stay = train(("aaaa" + "bbbb") * 150 + "a", order=2, tokens=2, smoothing="additive").chain.prob
    assert stay[1, 0] == pytest.approx(stay[2, 1], abs=1e-15)
    step = family("product", horizon=1, ratio=float(stay[1, 0] / stay[1, 1]))
    for particles in (4, 16):
        one = float(Importance(particles).law(step).prob.to_float()[1])
        # The first token is that of a model without context, 1/2 and nearly so: its own step adds next to nothing.
        expected = binomial_tv(100, one, float(stay[1, 0]))
        found = sampler(f"smc:particles={particles}").law(instance).tv(instance.target)
        assert found.mid == pytest.approx(expected, abs=1e-3)
        assert found.hi - found.lo < 2e-6


def test_a_perturbed_value_has_its_error(text):
    instance = family("draft-and-target", horizon=60, text=text, perturbation="random-sign", epsilon="0.5/T")
    assert instance.audit.bellman_error == pytest.approx(0.5 / 60, abs=1e-12)
    tv = sampler("sp-gsmc").law(instance).tv(instance.target)
    assert 0 < tv.hi <= math.tanh(59 * math.log1p(0.5 / 60) / 2)


def test_a_draft_that_sees_more_than_the_target_is_refused(text):
    with pytest.raises(SpecError, match="draft is 4, expected at most 3, the order of the target"):
        family("draft-and-target", horizon=4, draft=4, text=text)
    with pytest.raises(SpecError, match="draft is -1"):
        family("draft-and-target", horizon=4, draft=-1, text=text)

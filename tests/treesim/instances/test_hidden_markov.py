"""Hidden Markov models against hmmlearn, and against the forward-backward algorithm as it is written."""

import json

import numpy as np
import pytest
from hmmlearn.hmm import CategoricalHMM, GaussianHMM

from treesim import RewardError, SpecError, estimate, family, sampler, unroll
from treesim.instances.hidden_markov import HiddenMarkov, random_model, smoothed, trellis_of
from treesim.laws.walks import marginals

START, TRANSITION = [0.5, 0.3, 0.2], [[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.25, 0.25, 0.5]]
EMISSION = [[0.6, 0.3, 0.1, 0.0], [0.1, 0.4, 0.4, 0.1], [0.0, 0.1, 0.2, 0.7]]


def written(tmp_path, **document):
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"start": START, "transition": TRANSITION, **document}))
    return str(path)


def symbols(n):
    return np.random.default_rng(1).integers(0, 4, n)


def forward_backward(model):
    """log p(y), and p(x_t | y) for each t, with a scale factor a step."""
    g = np.exp(model.log_likelihood)
    alpha, beta, scales = [model.start * g[0]], [np.ones(len(model.start))], []
    for t in range(1, len(g)):
        scales.append(alpha[-1].sum())
        alpha[-1] = alpha[-1] / scales[-1]
        alpha.append(alpha[-1] @ model.transition * g[t])
    scales.append(alpha[-1].sum())
    for t in reversed(range(1, len(g))):
        back = model.transition @ (g[t] * beta[0])
        beta.insert(0, back / back.sum())
    posterior = [a * b / (a * b).sum() for a, b in zip(alpha, beta, strict=True)]
    return float(np.log(scales).sum()), posterior


def test_likelihood_and_smoothing_are_those_of_hmmlearn(tmp_path):
    """1,000 symbols, and 400 real numbers far out in the tails: to 1e-12."""
    y = symbols(1000)
    rival = CategoricalHMM(n_components=3, init_params="")
    rival.startprob_, rival.transmat_, rival.emissionprob_ = map(np.array, (START, TRANSITION, EMISSION))
    instance = family("hmm", horizon=1000, file=written(tmp_path, emission=EMISSION, observations=y.tolist()))
    assert instance.audit.log_partition == pytest.approx(rival.score(y[:, None]), rel=1e-12)
    np.testing.assert_allclose(smoothed(instance), rival.predict_proba(y[:, None]), rtol=0, atol=1e-12)
    z = 20.0 * np.random.default_rng(2).standard_normal(400)
    mean, sd = [-1.0, 0.5, 3.0], [0.5, 1.0, 2.0]
    rival = GaussianHMM(n_components=3, covariance_type="diag", init_params="")
    rival.startprob_, rival.transmat_ = np.array(START), np.array(TRANSITION)
    rival.means_, rival.covars_ = np.array(mean)[:, None], np.array(sd)[:, None] ** 2
    instance = family("hmm", horizon=400, file=written(tmp_path, mean=mean, sd=sd, observations=z.tolist()))
    assert instance.audit.log_partition == pytest.approx(rival.score(z[:, None]), rel=1e-12)
    np.testing.assert_allclose(smoothed(instance), rival.predict_proba(z[:, None]), rtol=0, atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_the_twist_is_the_backward_message(seed):
    model = random_model(60, states=4, symbols=5, concentration=0.3, seed=seed)
    instance = family("hmm", horizon=60, states=4, symbols=5, concentration=0.3, seed=seed)
    log_likelihood, posterior = forward_backward(model)
    assert instance.audit.log_partition == pytest.approx(log_likelihood, rel=1e-12)
    np.testing.assert_allclose(smoothed(instance), posterior, rtol=0, atol=1e-12)
    assert instance.audit.bellman_error <= 1e-12
    message = np.ones(4)
    for t in reversed(range(1, 60)):
        message = model.transition @ (np.exp(model.log_likelihood[t]) * message)
        np.testing.assert_allclose(instance.twist[instance.graph.level(t)].to_float(), message, rtol=1e-12)


def test_what_a_value_foresees_is_the_likelihood_of_the_next_observations():
    model = random_model(6, states=3, symbols=4, seed=3)
    g = np.exp(model.log_likelihood)
    one = family("hmm", horizon=6, lookahead=1, seed=3)
    for t in range(1, 6):
        np.testing.assert_allclose(one.value[one.graph.level(t)].to_float(), model.transition @ g[t], rtol=1e-13)
    assert one.value.to_float()[0] == pytest.approx(model.start @ g[0])
    assert (family("hmm", horizon=6, lookahead=0, seed=3).value.to_float() == 1.0).all()
    exact = family("hmm", horizon=6, seed=3)
    for steps in (6, 99):
        full = family("hmm", horizon=6, lookahead=steps, seed=3)
        np.testing.assert_allclose(full.value.log(), exact.twist.log(), rtol=1e-13, atol=1e-13)


def test_smoothing_by_particles_has_an_exact_tv_and_looking_ahead_helps_those_that_see_where_they_go():
    """Exact over all paths of the states. Particles that move by pi_ref gain nothing, though V^ = V* in the end."""
    instances = [family("hmm", horizon=5, states=2, lookahead=steps, seed=4) for steps in (0, 1, 5)]
    blind, seeing = (
        [sampler(spec).law(instance).tv(instance.target) for instance in instances]
        for spec in ("smc:particles=3", "smc:particles=3,proposal=optimal")
    )
    assert [tv.kind for tv in blind + seeing] == ["exact"] * 5 + ["certified"]  # the last is a walk
    assert seeing[0].lo > 10 * seeing[1].lo > 0.01 > seeing[2].lo
    assert seeing[2].hi < 1e-11
    assert min(tv.lo for tv in blind) > 0.09
    tree = unroll(instances[0])
    assert blind[0].lo == pytest.approx(sampler("smc:particles=3").law(tree).tv(tree.target).lo, abs=1e-13)


def test_beyond_what_can_be_listed_runs_bound_smoothing_and_guidance_is_certified():
    long = family("hmm", horizon=60, states=3, lookahead=0, seed=4)
    tv = estimate("smc:particles=64", long, n=5_000).tv
    assert 0.0 <= tv.lo < tv.hi < 1.0
    assert sampler("sp-gsmc").law(long).tv(long.target).kind == "certified"


def test_the_likelihood_of_a_particle_filter_is_unbiased():
    """10,000 runs: the mean of estimates over the truth within 5 standard errors of one."""
    instance = family("hmm", horizon=20, lookahead=0, seed=2)
    ratio = np.exp(sampler("smc:particles=50").simulate(instance, 10_000, seed=1).log_partition
                   - instance.audit.log_partition)  # fmt: skip
    assert 0.05 < ratio.std() < 1.5
    assert abs(ratio.mean() - 1.0) < 5.0 * ratio.std() / 100.0


def test_likelihoods_of_any_observations_may_be_given(tmp_path):
    model = random_model(7, states=3, symbols=4, seed=5)
    file = tmp_path / "given.json"
    document = {"start": model.start.tolist(), "transition": model.transition.tolist()}
    file.write_text(json.dumps(document | {"log_likelihood": (model.log_likelihood - 800.0).tolist()}))
    found, own = family("hmm", horizon=7, file=str(file)), family("hmm", horizon=7, seed=5)
    assert found.audit.log_partition == pytest.approx(own.audit.log_partition - 5600.0, rel=1e-13)
    np.testing.assert_allclose(smoothed(found), smoothed(own), atol=1e-12)
    first = family("hmm", horizon=4, file=str(file))
    assert np.allclose(next(iter(marginals(sampler("sp-gsmc").law(first).steps)))[0].to_float(), smoothed(first)[0])


def test_states_that_cannot_follow_each_other_have_no_edge():
    model = HiddenMarkov(np.array([1.0, 0.0]), np.array([[0.5, 0.5], [0.0, 1.0]]), np.log([[0.5, 1.0]] * 3))
    graph = trellis_of(model, 3)
    assert graph.n_edges == 1 + 3 + 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"emission": EMISSION}, "no 'observations'"),
        ({"observations": [0, 1]}, "0 of emission, mean and log_likelihood, expected one"),
        ({"emission": EMISSION, "observations": [0, 4]}, "observation 1 is 4, expected a symbol, 0 to 3"),
        ({"emission": EMISSION, "observations": [0.5]}, "observation 0 is 0.5, expected a symbol"),
        ({"emission": EMISSION[:2], "observations": [0]}, r"emission has shape \(2, 4\), expected .* 3 of them"),
        ({"emission": [[0.5, 0.4]] * 3, "observations": [0]}, "row 0 of emission sum to 0.9, expected 1"),
        ({"start": [0.5, 0.4], "emission": EMISSION, "observations": [0]}, "start sum to 0.9, expected 1"),
        ({"mean": [0, 1, 2], "sd": [1, 0, 1], "observations": [0.0]}, "an sd that is not above 0"),
        ({"log_likelihood": [[0.0, 1.0]]}, r"log_likelihood has shape \(1, 2\), expected numbers, 3 for each"),
        ({"transition": "much", "emission": EMISSION, "observations": [0]}, "transition is 'much', expected numbers"),
    ],
)
def test_files_that_are_no_model_are_refused(change, message, tmp_path):
    with pytest.raises(SpecError, match=message):
        family("hmm", horizon=1, file=written(tmp_path, **change))


def test_what_cannot_be_observed_and_what_is_not_there_is_told(tmp_path):
    never = [[1.0, 0.0]] * 3
    with pytest.raises(RewardError, match="the reward is zero at every leaf"):
        family("hmm", horizon=1, file=written(tmp_path, emission=never, observations=[1]))
    file = written(tmp_path, emission=EMISSION, observations=[0, 1, 2])
    with pytest.raises(SpecError, match="horizon is 4, expected at most 3, the observations of"):
        family("hmm", horizon=4, file=file)
    with pytest.raises(SpecError, match="lookahead 1 and perturbation 'random-sign' exclude each other"):
        family("hmm", horizon=3, file=file, lookahead=1, perturbation="random-sign", epsilon=0.1)
    (tmp_path / "model.json").write_text("[")
    with pytest.raises(SpecError, match=r"cannot read .* as JSON"):
        family("hmm", horizon=3, file=file)

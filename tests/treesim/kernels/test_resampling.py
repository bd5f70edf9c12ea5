"""Resampling keeps the mean of every scheme; with a pinned particle it is resampling given that it survives."""

import math

import numpy as np
import pytest

from treesim.kernels.resampling import resample, sample_size
from treesim.kernels.runs import Runs
from treesim.kernels.uniforms import state_of
from treesim.samplers.smc import SCHEMES


def _offspring(scheme, members, weight, n, rng, pin=-1) -> np.ndarray:
    """How often each run is an ancestor, in each of `n` resamplings."""
    below, here = (Runs.room(n, members.sum(), has_powers=False) for _ in range(2))
    below.size[:] = len(members)
    below.members[:, : len(members)], below.weight[:, : len(members)] = members, weight
    room = [np.empty(n) for _ in range(3)]
    empty, pins = np.empty(0, np.int32), np.full(n, pin)
    empty.flags.writeable = False  # as a tree's are: for others all is compiled once more
    resample(empty, below, np.inf, SCHEMES[scheme], *room, here, pins, state_of(rng), rng)
    in_use = np.arange(members.sum()) < here.size[:, None]
    if pin >= 0:
        assert (np.take_along_axis(here.origin, pins[:, None], axis=1) == pin).all()
    copies = np.zeros((n, len(members)), np.int64)
    np.add.at(copies, (np.arange(n)[:, None], here.origin), np.where(in_use, here.members, 0))
    return copies


@pytest.mark.parametrize("scheme", ["multinomial", "residual", "stratified", "systematic"])
@pytest.mark.parametrize("pin", [1, 2, 4])
def test_resampling_with_a_pinned_particle_is_resampling_given_that_it_survives(scheme, pin):
    """Counts given a tagged ancestor have the law of counts, reweighed by how many have that ancestor."""
    members, weight = np.array([1, 1, 2, 1, 1]), np.array([0.4, 0.15, 1.15, 0.0, 1.25])
    weight *= 6 / (members @ weight)
    n, rng = 60_000, np.random.default_rng(pin)
    plain = _offspring(scheme, members, weight, n, rng)
    given = _offspring(scheme, members, weight, n, rng, pin)
    assert (given[:, pin] >= 1).all()
    for k in range(len(members)):
        for count in range(1, 5):
            weighed = plain[:, pin] * (plain[:, k] == count) / (members[pin] * weight[pin])
            hits = (given[:, k] == count).astype(float)
            error = math.sqrt((weighed.var() + hits.var() + 1 / n) / n)
            # 240 scores in all: 6.3 standard errors are a false alarm in 10^7.
            assert abs(weighed.mean() - hits.mean()) < 6.3 * error


@pytest.mark.parametrize("scheme", ["multinomial", "residual", "stratified", "systematic"])
def test_resampling_keeps_the_mean(scheme):
    rng = np.random.default_rng(0)
    members = np.array([1, 1, 2, 1, 1, 3, 1])
    weight = np.array([0.0, 0.3, 1.15, 0.0, 1.25, 0.7, 0.0])
    weight *= 10 / (members @ weight)
    n = 40_000
    copies = _offspring(scheme, members, weight, n, rng)
    weight *= members
    error = (copies.mean(axis=0) - weight) / np.maximum(copies.std(axis=0), 1e-9) * math.sqrt(n)
    assert np.abs(error[copies.std(axis=0) > 0]).max() < 5.7
    assert (copies[:, weight == 0] == 0).all()
    assert (copies.sum(axis=1) == 10).all()
    spread = copies - np.floor(weight)
    if scheme == "systematic":
        assert ((spread >= 0) & (spread <= 1)).all()
    if scheme == "residual":
        assert (copies >= members * np.floor(weight / members)).all()
    if scheme == "stratified":
        assert (np.abs(copies - weight) < 2).all()
    if scheme == "multinomial":
        np.testing.assert_allclose(copies.var(axis=0), weight * (1 - weight / 10), rtol=0.05, atol=1e-9)


@pytest.mark.parametrize("scheme", ["multinomial", "residual"])
def test_few_runs_of_many_particles_keep_mean_and_variance(scheme):
    """By binomials, run after run."""
    members, weight, n = np.array([60, 60, 60]), np.array([0.6, 0.9, 1.5]), 20_000
    copies = _offspring(scheme, members, weight, n, np.random.default_rng(1))
    whole = members * np.floor(weight) if scheme == "residual" else np.zeros(3)
    free, mean = 180 - whole.sum(), members * weight
    variance = (mean - whole) * (1 - (mean - whole) / free)
    assert (np.abs(copies.mean(axis=0) - mean) < 5.7 * np.sqrt(variance / n)).all()
    np.testing.assert_allclose(copies.var(axis=0), variance, rtol=0.06)


@pytest.mark.parametrize("unit", [1.0, 1e200, 1e-200])
def test_the_effective_sample_size_counts_particles_not_runs(unit):
    weight, members = np.array([1.0, 2.0, 0.5]), np.array([4, 1, 3])
    expected = (weight @ members) ** 2 / (weight**2 @ members)
    assert sample_size(3, members, weight * unit, 2.0 * unit) == pytest.approx(expected, rel=1e-14)

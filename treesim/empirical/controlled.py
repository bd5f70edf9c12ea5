r"""Runs of SMC with the exact V* as a control variate: what they add to the target, not what they are.

Before resampling at level t a run has particles at x_i with weights w_i. Let a_i = w_i V*(x_i) / V^(x_i), and eta_t the
law of an output that is one of them in proportion to a_i and goes on by the target: eta_0 is the target, eta_T the law
of the output given the last population. The sum of a_i times the estimate of Z so far is a martingale M_t, and so is
M_t eta_t(A) for each set A, for any proposal and resampling that SMC has. Hence, with rho_t = M_t / M_{t-1},

    law(A) = target(A) + E[D(A)],    D(A) = sum_t (eta_t(A) - eta_{t-1}(A)) (1 - rho_t),

because E[rho_t eta_t(A) - eta_{t-1}(A)] = 0 given level t - 1. Both factors are of order N^(-1/2), where eta_T(A)
varies by as much as one of them alone; and what single leaves gain by chance is damped, too, so that few runs tell the
set where the law exceeds the target. Where M has become zero it stays zero, as does rho_t.

No bound on D is known that would be of use, so margins from it are those of a normal approximation for many runs, with
room for what skewness does to it: see `controlled_margin`.

Source: Del Moral (2004), "Feynman-Kac formulae", chapter 7, the martingale; Glasserman (2004), "Monte Carlo methods in
financial engineering", section 4.1, control variates.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import BoolArray, Brief, FloatArray, IntArray, spread
from treesim.instances.instance import Instance
from treesim.kernels.controlled import control_step
from treesim.kernels.runs import Runs
from treesim.runtime.seeds import Stream, generator
from treesim.runtime.threads import thread_map
from treesim.samplers.base import Sampler, remembered
from treesim.samplers.smc import SMC, covers

# Nats between V* / V^ of two nodes of a level.
FARTHEST = 600.0


@dataclass(frozen=True, eq=False, repr=False)
class ControlledRuns(Brief):
    """What `n` runs say of the law of the output.

    Attributes
    ----------
    mean : ndarray, shape [n_leaves]
        Mean of the estimate of the law, target + D; some of it may be negative.
    plain : ndarray, shape [n_leaves]
        Mean of the conditional law of the output, eta_T.
    inside : ndarray, shape [n]
        Of the set that was asked for: target + D in each run.
    plain_inside : ndarray, shape [n]
        Of the other set: eta_T in each run.
    """

    mean: FloatArray
    plain: FloatArray
    inside: FloatArray
    plain_inside: FloatArray


def is_controlled(sampler: Sampler, instance: Instance) -> bool:
    """Whether runs of the sampler can be controlled so: SMC whose output is picked by weight, on a tree, with V^
    positive wherever the target goes, and V* / V^ in the range of floats."""
    if not isinstance(sampler, SMC) or sampler.final != "weight" or instance.graph.keeps_edges:
        return False
    return covers(instance) and all(spread(log_over) < FARTHEST for log_over in _over_value(instance))


def controlled_runs(
    sampler: SMC,
    instance: Instance,
    n: int,
    key: int,
    seed: int,
    members: BoolArray | None = None,
    plain_members: BoolArray | None = None,
) -> ControlledRuns:
    """`n` runs, blocks of them in turn.

    Parameters
    ----------
    sampler : SMC
    instance : Instance
    n : int
    key : int
        Runs of different keys are independent.
    seed : int
    members, plain_members : ndarray of bool, shape [n_leaves], optional
        The sets of leaves whose probabilities are asked for; left out, no leaf.

    Examples
    --------
    >>> from treesim import SMC, family
    >>> instance = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.7", seed=3)
    >>> law = SMC(8).law(instance).prob.to_float()
    >>> found = controlled_runs(SMC(8), instance, 2000, 0, 0)
    >>> bool(np.abs(found.mean - law).sum() < 0.3 * np.abs(found.plain - law).sum())
    True
    """
    graph = instance.graph
    none = np.zeros(graph.n_leaves, bool)
    chances = _chances(instance, none if members is None else members)
    size = sampler.block_size(instance)
    sizes = [min(size, n - start) for start in range(0, n, size)]

    def run(i: int) -> _Block:
        block = _Block(sampler, instance, sizes[i], chances)
        clouds = sampler.clouds(instance, sizes[i], generator(seed, Stream.ESTIMATION, key, i), watch=block.watch)
        block.finish(clouds.leaf, clouds.weight / sampler.particles, none if plain_members is None else plain_members)
        return block

    blocks = thread_map(run, range(len(sizes)), interruptible=True)
    excess = _pushed_down(instance, [_sum(block.at_level[t] for block in blocks) for t in range(graph.horizon + 1)])
    target = instance.target.prob.to_float()
    return ControlledRuns(
        target + excess / n,
        _sum(block.plain for block in blocks) / n,
        float(chances[0][0]) + np.concatenate([block.gain for block in blocks]),
        np.concatenate([block.plain_inside for block in blocks]),
    )


class _Block:
    """A block of runs as they go down: sums over the runs, of every node, and the D of every run."""

    def __init__(self, sampler: SMC, instance: Instance, n: int, chances: list[FloatArray]) -> None:
        self._graph, self._over, self._chances = instance.graph, _over_value(instance), chances
        self._log_mass, self._ratio = np.full(n, self._over[0][0]), np.ones(n)
        self._chance, self.gain = np.full(n, chances[0][0]), np.zeros(n)
        self._size = np.ones(n, np.int64)
        self._place, self._eta = np.zeros((n, sampler.particles), np.int32), np.ones((n, sampler.particles))
        # Of the nodes of each level, the sum over the runs of what eta_t is multiplied by in D: rho_{t+1} - rho_t.
        self.at_level: list[FloatArray] = []

    def watch(self, t: int, below: Runs, log_z: FloatArray) -> None:
        """The populations after the step from level `t`, before they are resampled."""
        log_over, above = self._over[t + 1], np.zeros(self._graph.n_level(t))
        log_unit = float(log_over.max())
        control_step(
            below, log_z, np.exp(log_over - log_unit), log_unit, self._chances[t + 1],
            self._log_mass, self._ratio, self._chance, self.gain, self._size, self._place, self._eta, above,
        )  # fmt: skip
        self.at_level.append(above)

    def finish(self, leaf: IntArray, weight: FloatArray, plain_members: BoolArray) -> None:
        """After the last step: the conditional laws of the outputs."""
        in_use = np.arange(self._place.shape[1]) < self._size[:, None]
        last = np.where(in_use, self._eta * (1.0 - self._ratio)[:, None], 0.0)
        self.at_level.append(_by_node(self._place, last, self._graph.n_leaves))
        self.plain = _by_node(leaf, weight, self._graph.n_leaves)
        self.plain_inside = (weight * plain_members[leaf]).sum(axis=1)


def _by_node(place: NDArray[np.integer[Any]], weight: FloatArray, n_nodes: int) -> FloatArray:
    return np.asarray(np.bincount(place.ravel(), weight.ravel(), n_nodes), np.float64)


@remembered
def _over_value(instance: Instance) -> list[FloatArray]:
    """log(V* / V^) of the nodes of every level; -inf where V* is zero."""
    graph, twist = instance.graph, instance.twist
    alive = (twist.mantissa > 0) & (instance.value.mantissa > 0)
    over = np.full(graph.n_nodes, -np.inf)
    over[alive] = twist[alive].over(instance.value[alive]).log()
    over[graph.leaves][alive[graph.leaves]] = 0.0
    return [over[graph.level(t)] for t in range(graph.horizon + 1)]


@remembered
def _target_steps(instance: Instance) -> list[FloatArray]:
    """The probabilities of the steps of the target, level by level."""
    steps = instance.target.steps_down(instance.graph)
    assert steps is not None
    return [steps.edges(t).to_float() for t in range(instance.graph.horizon)]


def _chances(instance: Instance, members: BoolArray) -> list[FloatArray]:
    """The chance that the target comes to a set of leaves from each node, level by level."""
    graph, chances = instance.graph, [members.astype(np.float64)]
    for t in reversed(range(graph.horizon)):
        steps = _target_steps(instance)[t] * chances[-1]
        chances.append(np.asarray(np.bincount(graph.layer(t).sources(), steps, graph.n_level(t)), np.float64))
    return chances[::-1]


def _pushed_down(instance: Instance, at_level: list[FloatArray]) -> FloatArray:
    """The leaves of what stands at the nodes of all levels, when it goes on by the target."""
    mass = at_level[0]
    for t in range(instance.graph.horizon):
        mass = mass[instance.graph.layer(t).sources()] * _target_steps(instance)[t] + at_level[t + 1]
    return mass


def _sum(arrays: Iterable[FloatArray]) -> FloatArray:
    return reduce(np.add, arrays)


def controlled_margin(values: FloatArray, n: int, log_tails: float) -> float:
    """How far a mean over `n` runs may be from its expectation, on either side, by what some of the runs show.

    With L = `log_tails` the first term, s sqrt(2 L / n), is beyond the normal quantile of exp(-L), for any L. The
    second is for skewness: that of a mean over its own standard error moves its quantiles by no more than
    (2 z^2 + 1) / 6 * E|X - EX|^3 / (s^2 n), z^2 being below 2 L, and third moments are at most the range times s^2. The
    range is that of the values seen.

    References
    ----------
    Hall (1992), "The bootstrap and Edgeworth expansion", section 2.6.

    Examples
    --------
    >>> round(controlled_margin(np.array([0.0, 0.1] * 50), 100, 5.0), 4)
    0.0209
    """
    deviation = math.sqrt(2.0 * float(values.var(ddof=1)) * log_tails / n)
    return deviation + float(np.ptp(values)) * log_tails / n

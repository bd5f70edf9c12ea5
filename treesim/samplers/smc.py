"""Sequential Monte Carlo with N particles."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import BoolArray, Brief, FloatArray, IntArray
from treesim.errors import NoExactLaw, SpecError
from treesim.graphs.potentials import ahead, live_reach
from treesim.graphs.values import expect_ahead
from treesim.instances.instance import Instance
from treesim.kernels.race import race_run
from treesim.kernels.resampling import MULTINOMIAL, RESIDUAL, STRATIFIED, SYSTEMATIC, resample
from treesim.kernels.runs import Runs, pick_run, spread
from treesim.kernels.smc import (
    Where,
    propose_optimal,
    propose_optimal_pairs,
    propose_pool,
    propose_reference,
    propose_reference_pairs,
)
from treesim.kernels.uniforms import state_of
from treesim.laws.law import Law, walk_law
from treesim.laws.smc import smc_law
from treesim.laws.walks import GuidedSteps, PoolSteps, Proposal, ReferenceSteps, descend
from treesim.samplers.base import Cost, Sampler, remembered
from treesim.samplers.draws import Draws
from treesim.scaled import Scaled
from treesim.spec import require_at_least, require_one_of, require_positive

# By the name of the proposal, and whether all parents have two edges and all exponents are zero.
PROPOSALS = {
    ("reference", False): propose_reference,
    ("reference", True): propose_reference_pairs,
    ("optimal", False): propose_optimal,
    ("optimal", True): propose_optimal_pairs,
}
# Below this, a probability times a plain value may lose digits: `propose_optimal` takes care of it.
SMALLEST_PAIR = 2.0**-256
SCHEMES = {"multinomial": MULTINOMIAL, "residual": RESIDUAL, "stratified": STRATIFIED, "systematic": SYSTEMATIC}


@dataclass(frozen=True, eq=False, repr=False)
class Clouds(Brief):
    """The last populations of runs of SMC: given one, the output is a particle drawn in proportion to the weights.

    Attributes
    ----------
    last : Runs
        The populations; particles that share their past are one entry. Weights have mean one.
    state : ndarray of uint64, shape [4]
        The random numbers to go on with.
    log_partition : ndarray, shape [n]
        log of the estimate of Z.
    reference_draws, value_queries : int
    seen : list of two ndarrays, shape [n]
        Step by step, before resampling: effective sample size, and the largest weight over the mean.
    history : list of two ndarrays of int32, shape [n, entries]
        If it is kept, step by step: the edge of each entry, and which entry of the step before it came from.
    """

    last: Runs
    state: NDArray[np.uint64]
    log_partition: FloatArray
    reference_draws: int
    value_queries: int
    seen: list[tuple[FloatArray, FloatArray]]
    history: list[tuple[NDArray[np.int32], NDArray[np.int32]]]

    @property
    def leaf(self) -> IntArray:
        """Where the entries stand, shape [n, entries]; those that are not in use are zero."""
        return np.where(self._in_use, self.last.place[:, : self._width], 0).astype(np.int64)

    @property
    def weight(self) -> FloatArray:
        """What each entry weighs, all its particles together, shape [n, entries]; those not in use weigh nothing."""
        weight = self.last.members[:, : self._width] * self.last.weight[:, : self._width]
        return np.where(self._in_use, weight, 0.0)

    @property
    def _width(self) -> int:
        return int(self.last.size.max())

    @property
    def _in_use(self) -> BoolArray:
        return np.arange(self._width) < self.last.size[:, None]

    def draw(self, pick: Callable[[Runs, NDArray[np.uint64], IntArray], None] = pick_run) -> Draws:
        """One output of every run; on a trellis the history must have been kept."""
        chosen = np.empty(len(self.log_partition), np.int64)
        pick(self.last, self.state, chosen)
        rows = np.arange(len(chosen))
        leaf = self.last.place[rows, chosen].astype(np.int64)
        edges = self.trace(rows, chosen) if self.history else None
        return Draws(leaf, edges, self.reference_draws, self.value_queries, self.log_partition)

    def trace(self, rows: IntArray, entry: IntArray) -> NDArray[np.int32]:
        """The edges that led to some entries, one in each of the given runs, shape [len(rows), horizon]."""
        edges = np.empty((len(rows), len(self.history)), np.int32)
        for t in reversed(range(len(self.history))):
            taken, origin = self.history[t]
            edges[:, t] = taken[rows, entry]
            entry = origin[rows, entry].astype(np.int64)
        return edges


@dataclass(frozen=True)
class SMC(Sampler):
    """SMC with N particles: propose, weigh, resample; at level T one particle is kept in proportion to its weight.

    Weights have the range that values have: however far apart, they are compared as they are. At a prefix with V^ = 0 a
    particle weighs zero. Where all weights of a population are zero they count as equal, the estimate of Z being zero,
    and the particles go on as if V^ had been one there.

    Parameters
    ----------
    particles : int
        N.
    resampling : str
        ``multinomial``, ``residual``, ``stratified`` or ``systematic``.
    threshold : float
        Resample when ESS < threshold * N; 1 resamples at every step.
    proposal : str
        ``reference``: pi_ref, weight G = V^(child) / V^(parent); ``optimal``: in proportion to pi_ref V^, weight
        (P V^) / V^ of the parent; ``pool``: one of `pool` draws, weight the pool's mean of V^ over V^ of the parent.
    pool : int
        M, for the proposal of that name.
    final : str
        How the output is picked from the last particles: ``weight``, in proportion to their weights; or ``race``, the
        particle of the largest weight / uniform number (see `Race`).

    References
    ----------
    Zhu & Lu (2026), Theorem 5.1 (reference proposal, multinomial resampling at every step); Douc & Cappe (2005) for
    the resampling schemes; Gordon, Salmond & Smith (1993).

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> [round(SMC(N).law(instance).tv(instance.target).lo, 4) for N in (1, 2, 4)]
    [0.2801, 0.146, 0.0707]
    """

    particles: int
    resampling: str = "multinomial"
    threshold: float = 1.0
    proposal: str = "reference"
    pool: int = 0
    final: str = "weight"
    name: ClassVar[str] = "smc"

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 1)
        require_one_of("resampling", self.resampling, SCHEMES)
        require_one_of("proposal", self.proposal, ("reference", "optimal", "pool"))
        require_one_of("final", self.final, ("weight", "race"))
        require_positive("threshold", self.threshold)
        if self.threshold > 1:
            raise SpecError(f"threshold is {self.threshold}, expected at most 1: resample at every step")
        if (self.proposal == "pool") != (self.pool > 0):
            raise SpecError(f"proposal is {self.proposal!r} and pool {self.pool}, expected pool=M for proposal=pool")

    def law(self, instance: Instance) -> Law:
        """The exact law of the output, for multinomial resampling at every step.

        It is a walk if N = 1, or if all nodes of a level offer the same weights with the same probabilities; else it
        is known where there are few kinds of prefixes on a level, those of the same weights to come being one, and not
        too many paths; and on trees for few particles.

        Raises
        ------
        NoExactLaw
            Otherwise; the message says why, and what it would cost.
        """
        name = f"smc:particles={self.particles}"
        if self.particles == 1 and self.proposal == "pool":
            return walk_law(PoolSteps(instance.graph, instance.value, self.pool))
        if self.particles > 1:
            self.require_chain(self.name)
        return smc_law(self.mechanism(instance), self.particles, name, by_race=self.final == "race")

    def require_chain(self, name: str) -> None:
        """Raise `NoExactLaw` unless the counts of the particles are a Markov chain that can be followed."""
        if self.resampling != "multinomial" or self.threshold < 1 or self.proposal == "pool":
            raise NoExactLaw(
                f"{name} has an exact law for multinomial resampling at every step and the reference or optimal "
                "proposal; estimate its TV from runs"
            )

    def ratio(
        self, instance: Instance, edges: NDArray[np.int32], runs: int, rng: np.random.Generator
    ) -> FloatArray | None:
        """law / target of some paths of the target, without bias: the mean of Z / Z^ over runs that pin the path.

        None if V^ is zero on a path of the target, or if the last pick is a race.

        References
        ----------
        Andrieu, Doucet & Holenstein (2010), theorem 2: the extended target of particle Gibbs.
        """
        if self.final == "race" or not covers(instance):
            return None
        if not len(edges):
            return np.empty(0)
        pinned = np.repeat(edges, runs, axis=0)
        log_z = self.clouds(instance, len(pinned), rng, pinned=pinned).log_partition
        return np.exp(instance.audit.log_partition - log_z).reshape(-1, runs).mean(axis=1)

    def mechanism(self, instance: Instance) -> Proposal:
        """How the particles move and what weight they gain, for the reference and the optimal proposal."""
        graph, value = instance.graph, instance.value

        def reference_gain(t: int) -> FloatArray:
            layer, below = ahead(graph, t, value)
            return below[layer.ends(np.arange(len(layer.prob)))].over(before(t)[layer.sources()]).log()

        def optimal_gain(t: int) -> FloatArray:
            return expect_ahead(*ahead(graph, t, value)).over(before(t)).log()[graph.layer(t).sources()]

        def before(t: int) -> Scaled:
            here = value[graph.level(t)]
            return Scaled(np.where(here.mantissa > 0, here.mantissa, 1.0), here.exponent)

        log_value = value.log()
        # A value that was made from its log is off by as many units in the last place as the log has.
        same = max(Proposal.same_weight, 2.0**-51 * float(np.abs(log_value[np.isfinite(log_value)]).max(initial=0.0)))
        if self.proposal == "optimal":
            return Proposal(GuidedSteps(graph, value), optimal_gain, same)
        return Proposal(ReferenceSteps(graph), reference_gain, same)

    def cost(self, instance: Instance) -> Cost:
        """The expected cost of one run.

        With the optimal proposal it is that of N guided walks: exact where all nodes have as many children, near it
        where they do not, resampling moving the particles elsewhere.
        """
        steps = float(self.particles * instance.graph.horizon)
        if self.proposal == "optimal":
            steps = self.particles * descend(GuidedSteps(instance.graph, instance.value))[1]
        return Cost(steps * max(1, self.pool), steps * max(1, self.pool))

    def draws_per_output(self, instance: Instance) -> int:
        return self.particles * max(1, self.pool)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        clouds = self.clouds(instance, n, rng, keeps_ancestry=instance.graph.keeps_edges)
        return clouds.draw(race_run if self.final == "race" else pick_run)

    def population(self, instance: Instance, n: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """The last population of each of `n` runs, and its weights, which sum to one; after a race the winner alone."""
        if self.final == "race":
            return super().population(instance, n, rng)
        clouds = self.clouds(instance, n, rng)
        return clouds.leaf, clouds.weight / self.particles

    def clouds(
        self,
        instance: Instance,
        n: int,
        rng: np.random.Generator,
        keeps_ancestry: bool = False,
        apart: bool = False,
        pinned: NDArray[np.int32] | None = None,
        watch: Callable[[int, Runs, FloatArray], None] | None = None,
    ) -> Clouds:
        """`n` runs: their last populations.

        Parameters
        ----------
        instance : Instance
        n : int
        rng : numpy.random.Generator
        keeps_ancestry : bool
            Whether to keep the edges and the ancestors of every step.
        apart : bool
            Whether to list every particle by itself; else those that share their past are one entry.
        pinned : ndarray of int32, shape [n, horizon], optional
            The edges of a path in every run that one particle takes and that survives (conditional SMC).
        watch : callable (t, populations, log Z^ so far), optional
            Called after each step, before the populations are resampled; what it is given is changed afterwards.
        """
        graph, value = instance.graph, instance.value
        # Weights of one step between plain values stay in the range of floats, unless chances are tiny; all others have
        # powers.
        has_powers = self.threshold < 1.0 or not _is_plain(instance)
        here, below = (Runs.room(n, self.particles, has_powers=has_powers) for _ in range(2))
        here.size[:] = self.particles if apart else 1
        here.members[:, : here.size[0]] = 1 if apart else self.particles
        here.weight[:, : here.size[0]] = 1.0
        here.value[:, : here.size[0]] = value.mantissa[0]
        here.origin[:] = np.arange(self.particles)
        together, moved = here, below
        if apart:
            together, moved = (Runs.room(n, self.particles, has_powers=has_powers) for _ in range(2))
        pin = np.full(n, -1 if pinned is None else 0)
        state = state_of(rng)
        ess, largest, log_z = np.empty(n), np.empty(n), np.zeros(n)
        seen: list[tuple[FloatArray, FloatArray]] = []
        history: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
        least = math.inf if self.threshold >= 1.0 else self.threshold * self.particles
        reads, scheme = 0, SCHEMES[self.resampling]
        for t, where in enumerate(_layers(instance)):
            path = np.empty(0, np.int32) if pinned is None else np.ascontiguousarray(pinned[:, t])
            if self.proposal == "pool":
                reads += propose_pool(where, self.pool, here, below, pin, path, state)
            else:
                if apart:
                    # Proposals use up what they are given, and `spread` asks where particles came from.
                    for copy, own in zip(together, here, strict=True):
                        np.copyto(copy, own)
                reads += PROPOSALS[self.proposal, where.is_pairs](where, together, moved, pin, path, state, rng)
                if apart:
                    spread(moved, here, below, pin)
            if keeps_ancestry:
                width = int(below.size.max())
                history.append((below.place[:, :width].copy(), below.origin[:, :width].copy()))
            if watch is not None:
                watch(t, below, log_z)
            is_last = t + 1 == graph.horizon
            child, least_here = graph.layer(t).child, 0.0 if is_last else least
            resample(child, below, least_here, scheme, log_z, ess, largest, here, pin, state, rng)
            if graph.potential(t) is not None:
                # What came along is g V of the edge; from here on V of the node counts.
                here.value[:] = np.take(value.mantissa[graph.level(t + 1)], here.place, mode="clip")
            seen.append((ess.copy(), largest.copy()))
        if has_powers:
            # Relative to their mean, weights that vanish now are negligible.
            with np.errstate(over="ignore"):
                np.ldexp(here.weight, here.power, out=here.weight)
        root = value[:1].log()[0]
        log_z += 0.0 if math.isinf(root) else root
        return Clouds(here, state, log_z, reads, reads, seen, history)


@remembered
def _layers(instance: Instance) -> list[Where]:
    """What particles need to know of each layer."""
    graph, value = instance.graph, instance.value
    layers = []
    for t in range(graph.horizon):
        (layer, below), here = ahead(graph, t, value), value[graph.level(t)]
        degree = np.diff(layer.ptr)
        # Parents without value count as if it were one: their exponent is zero.
        is_plain = not here.exponent.any() and not below.exponent.any()
        none = here.exponent[:0]
        layers.append(
            Where(
                *layer,
                int(degree.max()),
                is_plain and bool((degree == 2).all()) and float(layer.prob[layer.prob > 0].min()) > SMALLEST_PAIR,
                none if is_plain else here.exponent,
                none if is_plain else below.exponent,
                below.mantissa,
            )
        )
    return layers


@remembered
def _is_plain(instance: Instance) -> bool:
    """Whether values, and chances times values, have no powers of their own."""
    return not any(
        len(where.exponent) or float(where.prob[where.prob > 0].min()) <= SMALLEST_PAIR for where in _layers(instance)
    )


@remembered
def covers(instance: Instance) -> bool:
    """Whether V^ is positive wherever the target goes."""
    graph, value, twist = instance.graph, instance.value.mantissa, instance.twist.mantissa
    return not any(
        ((reach > 0) & (twist[graph.level(t)] > 0) & (value[graph.level(t)] == 0)).any()
        for t, reach in enumerate(live_reach(graph))
    )

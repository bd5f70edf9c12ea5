"""particles on a tree: a Feynman-Kac model whose states are nodes, numbered within their level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import particles as library
from numba import njit
from particles import resampling as schemes
from particles.mcmc import CSMC

from treesim.adapters.draws import seeded
from treesim.arrays import FloatArray, IntArray
from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least, require_one_of

RESAMPLING = ("multinomial", "residual", "stratified", "systematic", "ssp", "killing")


class TreeModel(library.FeynmanKac):
    """pi_ref as kernel, V_t / V_{t-1} as potential.

    Parameters
    ----------
    oracle : Oracle
        Of a tree: a node tells its prefix.
    potential : str
        Where V_{t-1} is taken from: the prefix of the particle itself (``own``), or the ancestor that the library hands
        to ``logG`` (``given``).
    """

    du = 1

    def __init__(self, oracle: Oracle, potential: str = "own") -> None:
        super().__init__(oracle.horizon)
        self.oracle, self.potential = oracle, potential
        self.reached: list[dict[int, Prefix]] = [{0: oracle.root}, *({} for _ in range(oracle.horizon))]
        self.log_value: dict[tuple[int, ...], float] = {(): oracle.log_value(oracle.root)}

    def M0(self, N: int) -> IntArray:  # noqa: N802 (the library's names)
        return self.M(0, np.zeros(N, np.int64))

    def M(self, t: int, xp: IntArray) -> IntArray:  # noqa: N802
        return self._keep(t, [self.oracle.draw(self.reached[t][node]) for node in xp.tolist()])

    def logG(self, t: int, xp: IntArray | None, x: IntArray) -> FloatArray:  # noqa: N802
        log_gain = np.empty(len(x))
        for i, node in enumerate(x.tolist()):
            prefix = self.reached[t + 1][node]
            before = prefix.choices[:-1]
            if self.potential == "given" and xp is not None:
                before = self.reached[t][int(xp[i])].choices
            self.log_value[prefix.choices] = self.oracle.log_value(prefix)
            log_gain[i] = self.log_value[prefix.choices] - self.log_value[before]
        return log_gain

    def Gamma0(self, u: FloatArray) -> IntArray:  # noqa: N802
        return self.Gamma(0, np.zeros(len(u), np.int64), u)

    def Gamma(self, t: int, xp: IntArray, u: FloatArray) -> IntArray:  # noqa: N802
        chosen = []
        for node, place in zip(xp.tolist(), u.tolist(), strict=True):
            children = self.oracle.children(self.reached[t][node])
            below = np.cumsum([prob for _, prob in children])
            chosen.append(children[min(int(np.searchsorted(below, place, side="right")), len(children) - 1)][0])
        return self._keep(t, chosen)

    def _keep(self, t: int, prefixes: list[Prefix]) -> IntArray:
        self.reached[t + 1].update((prefix.node, prefix) for prefix in prefixes)
        return np.array([prefix.node for prefix in prefixes], np.int64)

    def leaf(self, node: int) -> Prefix:
        """The complete prefix of a node of the last level."""
        return self.reached[self.T][int(node)]


@njit
def _seed_compiled(seed):  # type: ignore[no-untyped-def]
    """Seed the generator that the library's compiled functions draw from."""
    np.random.seed(seed)


@schemes.resampling_scheme
def multinomial_shuffled(W: FloatArray, M: int) -> IntArray:
    """Independent ancestors in random order; the library's own ``multinomial`` sorts them."""
    return schemes.multinomial_iid(W, M=M)


def _pick(run: Any) -> int:
    return int(schemes.multinomial_once(run.W))


@dataclass(frozen=True)
class SMC:
    """particles.SMC, any resampling scheme and ESS threshold; the output is drawn by the last weights."""

    particles: int = 64
    resampling: str = "systematic"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 1)
        require_one_of("resampling", self.resampling, RESAMPLING)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One run."""
        model = TreeModel(oracle)
        with seeded(rng):
            _seed_compiled(int(rng.integers(2**32)))
            run = library.SMC(model, self.particles, resampling=self.resampling, ESSrmin=self.threshold, collect="off")
            run.run()
            return model.leaf(run.X[_pick(run)])


@dataclass(frozen=True)
class SequentialQuasiMonteCarlo:
    """particles.SMC with ``qmc=True``."""

    particles: int = 64

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 2)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One run."""
        model = TreeModel(oracle)
        with seeded(rng):
            run = library.SMC(model, self.particles, qmc=True, collect="off")
            run.run()
            return model.leaf(run.X[_pick(run)])


@dataclass(frozen=True)
class ParticleGibbs:
    """Sweeps of particles.mcmc.CSMC, the first path from an ordinary run.

    CSMC replaces the first ancestor by the reference. With ``ancestors=sorted``, the library's multinomial scheme, the
    first ancestor is the smallest, and what remains is no independent sample; ``ancestors=shuffled`` gives CSMC another
    scheme through the library's own registry.
    """

    particles: int = 16
    sweeps: int = 4
    threshold: float = 1.0
    ancestors: str = "sorted"
    potential: str = "own"

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 2)
        require_at_least("sweeps", self.sweeps, 0)
        require_one_of("ancestors", self.ancestors, ("sorted", "shuffled"))
        require_one_of("potential", self.potential, ("own", "given"))

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """The path after the last sweep."""
        model = TreeModel(oracle, self.potential)
        with seeded(rng):
            run = library.SMC(
                model, self.particles, resampling="multinomial", ESSrmin=self.threshold, store_history=True,
                collect="off",
            )  # fmt: skip
            run.run()
            path = run.hist.extract_one_trajectory()
            for _ in range(self.sweeps):
                run = CSMC(model, self.particles, self.threshold, path)
                if self.ancestors == "shuffled":
                    run.resampling = "multinomial_shuffled"
                run.run()
                path = run.hist.extract_one_trajectory()
        return model.leaf(path[-1])


ALGORITHMS = {"smc": SMC, "sqmc": SequentialQuasiMonteCarlo, "particle-gibbs": ParticleGibbs}

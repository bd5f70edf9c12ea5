"""Samplers that walk down the tree once, guided by the approximate value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from treesim.instance import Instance
from treesim.kernels.walk import step_guided, step_pool
from treesim.law import Law, descend, guided_steps, pool_steps
from treesim.samplers.base import Cost, Draws, Sampler, walk
from treesim.scaled import IntArray
from treesim.spec import require_at_least


@dataclass(frozen=True)
class GuidedSMC(Sampler):
    """SP-gSMC, single-particle guided SMC: each step in proportion to pi_ref V^, exactly or by a pool.

    Where no child has value the step is pi_ref's; in a pool of zeros the pick is uniform.

    Parameters
    ----------
    pool : int
        M, children drawn from pi_ref at each step, one of which is kept in proportion to V^; 0 lists all
        children: the exact normaliser.

    References
    ----------
    Zhu & Lu (2026), Theorem 4.3 (exact normaliser) and Algorithm 2 (the pool).

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> [round(GuidedSMC(pool).law(instance).tv(instance.target).lo, 4) for pool in (1, 2, 8, 0)]
    [0.2801, 0.146, 0.0342, 0.0]
    """

    pool: int = 0
    name: ClassVar[str] = "sp-gsmc"

    def __post_init__(self) -> None:
        require_at_least("pool", self.pool, 0)

    def law(self, instance: Instance) -> Law:
        return self._descend(instance)[0]

    def cost(self, instance: Instance) -> Cost:
        total = float(self.pool * instance.tree.horizon) if self.pool else self._descend(instance)[1]
        return Cost(total, total)

    def _descend(self, instance: Instance) -> tuple[Law, float]:
        steps = (
            pool_steps(instance.tree, instance.value, self.pool)
            if self.pool
            else guided_steps(instance.tree, instance.value)
        )
        return descend(instance.tree, steps)

    def draws_per_output(self, instance: Instance) -> int:
        return max(1, self.pool)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        tree, value = instance.tree, instance.value
        reads = 0

        def step(t: int, node: IntArray) -> None:
            nonlocal reads
            ahead = value[tree.level(t + 1)]
            if self.pool:
                step_pool(*tree.layer(t), ahead.mantissa, ahead.exponent, self.pool, node, rng)
                reads += self.pool * n
            else:
                reads += step_guided(*tree.layer(t), ahead.mantissa, ahead.exponent, node, rng)

        leaf = walk(tree, n, step)
        return Draws(leaf, reads, reads)

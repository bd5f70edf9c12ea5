"""The loss that gives the least Bellman error is not the one that gives the best guide."""

from __future__ import annotations

from functools import cache

import numpy as np

from treesim.empirical.measure import distance
from treesim.hard_instances.discoveries.discovery import Discovery
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.laws.density_ratio import Effort
from treesim.learning.fit import learn
from treesim.samplers import GuidedSMC
from treesim.scaled import Scaled
from treesim.studies.experiment import Experiment, Points
from treesim.theory.verification import Check

HORIZONS = (4, 8, 16, 32)
LOSSES = ("soft-rl:gradient=full", "ctl", "path-consistency", "step")
WIDTH = 1e-4
SAME = 1e-12


@cache
def which_loss() -> Discovery:
    """Squared Bellman error as a loss gives the least error and the worst guide; a loss of the guided law the reverse.

    Examples
    --------
    >>> all(check.holds for check in which_loss().checks)
    True
    """
    curves: dict[str, Points] = {}
    mean, tv = {}, {}
    for loss in LOSSES:
        curves[f"TV, {loss}"] = []
        for horizon in HORIZONS:
            chain = family("counting-chain", horizon=horizon, growth="diffusive")
            learned = learn(chain, loss, "suffix:1").instance
            mean[loss, horizon] = float(learned.audit.mean_target.mean())
            tv[loss, horizon] = distance(GuidedSMC(), learned, Effort(WIDTH), runs=0).mid
            curves[f"TV, {loss}"].append((float(horizon), tv[loss, horizon]))
    consistent, stepwise, last = LOSSES[0], LOSSES[-1], HORIZONS[-1]
    checks = []
    for horizon in HORIZONS[1:]:
        checks += [
            Check("ranking", f"mean error by {consistent}, T = {horizon}, against {stepwise}",
                  mean[consistent, horizon], mean[stepwise, horizon]),
            Check("ranking", f"TV by {stepwise}, T = {horizon}, against a tenth by {consistent}",
                  tv[stepwise, horizon], 0.1 * tv[consistent, horizon]),
        ]  # fmt: skip
    return Discovery(
        "which-loss",
        "The loss of least Bellman error is not the loss of least TV: squared Bellman error makes each residual small "
        "and lets them agree along a path; the loss of the guided law leaves them large where a particle sees none.",
        [*checks, *_gauge()],
        Experiment(
            "Guidance by a value learned from the last token only (chain, diffusive reward), by loss",
            f"At T = {last} the mean Bellman error is {mean[consistent, last]:.3f} by {consistent} and "
            f"{mean[stepwise, last]:.3f} by {stepwise}; TV is {tv[consistent, last]:.3f} and {tv[stepwise, last]:.4f}.",
            "horizon T", "total variation (certified)", curves, log_x=True, log_y=True,
            figures={f"mean error, {loss}": mean[loss, last] for loss in LOSSES},
        ),
    )  # fmt: skip


def _gauge() -> list[Check]:
    """V^ times any number that siblings share is the same guide, whatever its Bellman error."""
    instance = family("dirichlet", horizon=5, seed=1)
    tree, rng = instance.graph, np.random.default_rng(0)
    shared = np.exp(rng.normal(size=tree.n_nodes - tree.n_leaves))
    factor = np.ones(tree.n_nodes)
    for t in range(tree.horizon - 1):
        layer, below = tree.layer(t), tree.level(t + 1)
        factor[below] = shared[tree.level(t)][layer.sources()]
    other = Instance(tree, instance.value * Scaled.from_float(factor))
    law = GuidedSMC().law(other)
    return [
        Check("gauge", "TV of guidance by V* times numbers that siblings share", law.tv(instance.target).hi, SAME),
        Check("gauge", "its Bellman error", other.audit.bellman_error, 1.0, at_most=False),
    ]

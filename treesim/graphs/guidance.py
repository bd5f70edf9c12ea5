r"""Beyond the supremum: how far guidance by an approximate value is from the target, by averages.

With rho = P V^ / V^ the residual of V^ at a prefix, exact single-particle guidance has the law pi^ and the target is
pi~(s) proportional to pi^(s) prod_{0<t<T} rho(s_{1:t}). Three averages say how far apart they are, at any horizon:

- **B**, a bound that needs no V*: with mu_t proportional to pi_ref V^ and nu_t to pi_ref P V^ on prefixes of length t,
  TV(pi^, pi~) <= B = sum_{0<t<T} TV(mu_t, nu_t). For the law "prefix of length t from mu_t, then guided" is pi^ at
  t = 1 and pi~ at t = T, and from t to t + 1 it changes as much as mu_t and nu_t differ, at most. B does not change
  where V^ is multiplied by a constant per level, and stays finite where values are zero.
- **KL(pi~ || pi^)**, by the chain rule the expected KL of the steps.
- **sd**, under pi~, of S = sum_{0<t<T} log rho: pi~/pi^ is exp(S) but for a constant. For small residuals KL is
  sd^2 / 2, and if S is about normal TV is about erf(sqrt(KL) / 2): errors that point every way add like sqrt(T), while
  B and the bound of Theorem 4.3 add them like T.

A path of one particle sees V^ among siblings only: multiplying V^ of all children of a node by one number changes no
step. The *centred* error takes out what is common to a whole level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from treesim.arrays import Brief, FloatArray, read_only
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.potentials import ahead, has_potentials, live_reach
from treesim.graphs.values import expect_ahead
from treesim.kernels.forward import push_mass
from treesim.kernels.guidance import moments_level, push_three, residuals, weigh
from treesim.scaled import Scaled, exp_or_inf


@dataclass(frozen=True, eq=False, repr=False)
class Guidance(Brief):
    """How far guidance by V^ is from the target, by averages, level by level.

    Attributes
    ----------
    average_case_bound : float
        B, at least the TV of exact single-particle guidance to the target; says something below 1 only.
    tv_by_level : ndarray, shape [horizon]
        TV(mu_t, nu_t), of which B is the sum; zero at the root.
    kl_target_to_guided : float
        KL(pi~ || pi^), in nats; infinite where guidance never goes and the target does.
    kl_by_level : ndarray, shape [horizon]
        Of the steps from each level, expected under pi~.
    log_residual_sd : float
        Standard deviation of S under pi~, in nats; NaN where S is infinite somewhere.
    predicted_tv : float
        erf(sqrt(KL) / 2): no bound, what TV is where S is about normal.
    mean_reference, mean_target, mean_guided : ndarray, shape [horizon]
        E |log rho| under pi_ref, pi~ and pi^, in nats.
    centred_by_level : ndarray, shape [horizon]
        The Bellman error of each level if V^ is multiplied by the best constant per level.

    Examples
    --------
    >>> from treesim import GuidedSMC, family
    >>> instance = family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.2, seed=1)
    >>> round(GuidedSMC().law(instance).tv(instance.target).mid, 4)
    0.1051
    >>> round(instance.guidance.predicted_tv, 4), round(instance.guidance.average_case_bound, 4)
    (0.1001, 0.1784)
    """

    average_case_bound: float
    tv_by_level: FloatArray
    kl_target_to_guided: float
    kl_by_level: FloatArray
    log_residual_sd: float
    predicted_tv: float
    mean_reference: FloatArray
    mean_target: FloatArray
    mean_guided: FloatArray
    centred_by_level: FloatArray

    @property
    def centred_error(self) -> float:
        """The least Bellman error that V^ has if it may be multiplied by a constant per level."""
        return float(self.centred_by_level.max())

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it."""
        return {
            "average_case_bound": self.average_case_bound,
            "kl_target_to_guided": self.kl_target_to_guided,
            "predicted_tv": self.predicted_tv,
            "log_residual_sd": self.log_residual_sd,
            "centred_error": self.centred_error,
            "by_level": {
                "tv": self.tv_by_level.tolist(),
                "kl": self.kl_by_level.tolist(),
                "mean_log_reference": self.mean_reference.tolist(),
                "mean_log_target": self.mean_target.tolist(),
                "mean_log_guided": self.mean_guided.tolist(),
                "centred": self.centred_by_level.tolist(),
            },
        }


def guidance(graph: LayeredGraph, value: Scaled, twist: Scaled) -> Guidance:
    """How far guidance by V^ is from the target, by averages: one pass down the graph and one up.

    Parameters
    ----------
    graph : LayeredGraph
    value : Scaled, shape [n_nodes]
        V^, the reward itself at the leaves.
    twist : Scaled, shape [n_nodes]
        V*, from `optimal_twist`.

    Returns
    -------
    Guidance

    References
    ----------
    B is the average-case form of Theorem 4.3 of Zhu & Lu (2026): see docs/discoveries/average-case.md.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("sharpest-guidance", horizon=6, epsilon=0.1)
    >>> found = guidance(instance.graph, instance.value, instance.twist)
    >>> round(found.average_case_bound, 4), round(found.predicted_tv, 4), found.centred_by_level.round(4).tolist()
    (0.2339, 0.1866, [0.0, 0.1, 0.1, 0.1, 0.1, 0.1])
    """
    horizon = graph.horizon
    kl, tv, centred = np.zeros(horizon), np.zeros(horizon), np.zeros(horizon)
    means = np.zeros((3, horizon))
    log_residual: list[FloatArray] = []
    seen = live_reach(graph) if has_potentials(graph) else None
    reach, target, guided = Scaled.from_float([1.0]), np.ones(1), np.ones(1)
    for t in range(horizon):
        (layer, below), here = ahead(graph, t, value), value[graph.level(t)]
        mean, n_below = expect_ahead(layer, below), len(below)
        rho = np.empty(len(here))
        residuals(mean.numbers, here.numbers, reach.numbers, rho)
        log_residual.append(rho)
        centred[t] = _half_range(rho)
        for i, mass in enumerate((reach.to_float() if seen is None else seen[t], target, guided)):
            means[i, t] = np.abs(rho[mass > 0]) @ mass[mass > 0]
        if t > 0:
            tv[t] = _distance(reach, here, mean)
        masses = Scaled.zeros(n_below), np.zeros(n_below), np.zeros(n_below)
        kl[t] = push_three(
            tuple(layer), mean.numbers, twist[graph.level(t)].numbers,
            (below.numbers, ahead(graph, t, twist)[1].numbers),
            reach.numbers, target, guided, (masses[0].room, *masses[1:]),
        )  # fmt: skip
        reach, target, guided = masses if seen is None else _met(graph, t, *masses)
    total = float(kl.sum())
    return Guidance(
        average_case_bound=float(tv.sum()),
        tv_by_level=tv,
        kl_target_to_guided=total,
        kl_by_level=kl,
        log_residual_sd=_deviation(graph, twist, log_residual),
        predicted_tv=normal_tv(total),
        mean_reference=means[0],
        mean_target=means[1],
        mean_guided=means[2],
        centred_by_level=centred,
    )


def normal_tv(kl: float) -> float:
    """erf(sqrt(kl) / 2): the TV of two laws at this KL, in nats, whose log density ratio is normal.

    Then TV = 2 Phi(sd / 2) - 1 and KL = sd^2 / 2, exactly.

    Examples
    --------
    >>> round(normal_tv(0.02), 4), normal_tv(math.inf)
    (0.0797, 1.0)
    """
    return math.erf(math.sqrt(kl) / 2.0)


def _half_range(log_residual: FloatArray) -> float:
    """exp of half the range, less one: the error that is left when the middle is taken out."""
    seen = log_residual[~np.isnan(log_residual)]
    low, high = float(seen.min()), float(seen.max())
    return exp_or_inf((high - low) / 2.0) - 1.0 if math.isfinite(high - low) else math.inf


def _distance(reach: Scaled, value: Scaled, ahead: Scaled) -> float:
    """TV(mu_t, nu_t); 1 where V^ gives no prefix any weight, and nothing can be said."""
    mu, nu = np.empty(len(reach)), np.empty(len(reach))
    mass, next_mass = weigh(reach.numbers, value.numbers, mu), weigh(reach.numbers, ahead.numbers, nu)
    if mass == 0.0 or next_mass == 0.0:
        return 1.0
    return min(1.0, 0.5 * float(np.abs(mu / mass - nu / next_mass).sum()))


def _met(
    graph: LayeredGraph, t: int, reach: Scaled, target: FloatArray, guided: FloatArray
) -> tuple[Scaled, FloatArray, FloatArray]:
    """Masses of the edges from level `t` as those of its children, pi_ref weighed by the potentials.

    Where a potential is zero no more is lost or won: what guidance takes there, having no choice, is left out.
    """
    potential, layer, n = graph.potential(t), graph.layer(t), graph.n_level(t + 1)
    assert potential is not None
    one, below = Scaled.from_float(np.ones(len(reach))), Scaled.zeros(n)
    each = read_only(np.arange(len(reach) + 1)), one.numbers[0], layer.child
    push_mass(each, (reach * potential).numbers, one.numbers, below.room)
    alive = potential.mantissa > 0
    target, guided = (np.bincount(layer.child[alive], mass[alive], n).astype(np.float64) for mass in (target, guided))
    return below, target, guided


def _deviation(graph: LayeredGraph, twist: Scaled, log_residual: list[FloatArray]) -> float:
    """Standard deviation under the target of the sum of log residuals above level T, the root's left out."""
    mean, variance = np.zeros(graph.n_leaves), np.zeros(graph.n_leaves)
    for t in reversed(range(graph.horizon)):
        here = np.empty(graph.n_level(t)), np.empty(graph.n_level(t))
        layer, below = ahead(graph, t, twist)
        if has_potentials(graph):
            ends = graph.layer(t).child
            mean, variance = mean[ends], variance[ends]
        levels = twist[graph.level(t)].numbers, below.numbers
        moments_level(tuple(layer), log_residual[t], levels, (mean, variance), here)
        mean, variance = here
    return math.sqrt(variance[0]) if math.isfinite(variance[0]) else math.nan

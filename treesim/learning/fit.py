"""Learned values: a loss, what is seen of a prefix, and the paths to learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sparse
from scipy.optimize import minimize
from scipy.sparse.linalg import splu

from treesim.arrays import Brief, FloatArray
from treesim.errors import LearningError
from treesim.graphs.potentials import refuse_potentials
from treesim.graphs.values import value_between
from treesim.instances.instance import Instance
from treesim.learning.features import Features, FeatureSpec, features_of
from treesim.learning.losses import LOSSES, Lesson, Loss, SoftRL
from treesim.learning.visits import exact_visits, sampled_visits
from treesim.scaled import Scaled
from treesim.spec import parse, require_at_least, require_whole, spell

Report = Callable[[str], None]

EXACT_RIDGE, RIDGE_OF_SAMPLES = 1e-9, 1e-2
# Of the slope, by features of mean square 1 under the training paths.
TOLERANCE = 1e-7
# log V^ / Z beyond which a search has run away.
_RUNAWAY = 1e5
_REPORTED = 20
# Features beyond which it takes too long to see which are independent.
_MOST_RANKED = 2_000


@dataclass(frozen=True, eq=False, repr=False)
class Learned(Brief):
    """A learned value.

    Attributes
    ----------
    instance : Instance
        The instance that was given, V^ now the learned one; on nodes that were split, if features asked for it.
    loss : str
        Its spec.
    columns : list of str
        What each feature is.
    weights : ndarray, shape [n_columns]
        theta; unique up to the ridge where columns add up to each other.
    is_converged : bool
        Whether the slope is below 1e-7.
    slope : float
        The largest of the gradient, for features scaled to mean square 1.
    iterations : int
    objective : float
        The loss, without the ridge.
    samples : int or None
        Simulated paths; None for exact gradients.
    moments : scipy.sparse array, shape [n_columns, n_columns]
        Mean products of the features where training goes, each scaled to mean square 1.

    Examples
    --------
    >>> from treesim import family
    >>> found = learn(family("dirichlet", horizon=4, seed=1), "ctl", "level,suffix:1")
    >>> found.columns, found.is_converged, round(found.instance.audit.bellman_error, 3)
    (['level=1', 'level=2', 'level=3', 'suffix:1=0', 'suffix:1=1'], True, 2.745)
    """

    instance: Instance
    loss: str
    columns: list[str]
    weights: FloatArray
    is_converged: bool
    slope: float
    iterations: int
    objective: float
    samples: int | None
    moments: Any = field(repr=False)

    @cached_property
    def rank(self) -> int | None:
        """How many features are independent where training goes, to nine digits; None if there are more than 2,000."""
        if len(self.columns) > _MOST_RANKED:
            return None
        size = np.linalg.eigvalsh(self.moments.toarray())
        return int((size > 1e-9 * size[-1]).sum())

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it."""
        return {
            "loss": self.loss, "samples": self.samples, "objective": self.objective, "iterations": self.iterations,
            "converged": self.is_converged, "slope": self.slope, "rank": self.rank,
            "weights": dict(zip(self.columns, self.weights.tolist(), strict=True)),
        }  # fmt: skip


def learn(
    instance: Instance,
    loss: str | Loss = "ctl",
    features: FeatureSpec | Features = "level,suffix:2",
    samples: int | None = None,
    paths: str = "reference",
    ridge: float | None = None,
    split: bool = False,
    iterations: int = 5000,
    seed: int = 0,
    report: Report | None = None,
) -> Learned:
    """Learn V^ of the prefixes of an instance from its rewards.

    Parameters
    ----------
    instance : Instance
        Its V^ is not looked at.
    loss : str or Loss
        A spec of `treesim.learning.LOSSES`.
    features : str, callable, array, a sequence of them, or Features
        What V^ sees of a prefix: see `treesim.learning.features`.
    samples : int, optional
        How many simulated paths to learn from; left out, gradients are exact.
    paths : str
        The law of the training paths, ``reference`` or ``target``.
    ridge : float, optional
        Penalty ridge |theta|^2 / 2 on features scaled to mean square 1; 1e-9, and 1e-2 / n of n paths.
    split : bool
        Whether nodes of a trellis are told apart where a feature needs it.
    iterations : int
        Of L-BFGS at the most, or of the fixed point of ``soft-rl``.
    seed : int
        Of the simulated paths.
    report : callable, optional
        Told now and then how far it is.

    Returns
    -------
    Learned

    Raises
    ------
    SpecError
        If a loss or feature is unknown.
    LearningError
        If the loss means nothing for these rewards, or the search runs away.

    References
    ----------
    See `treesim.learning.losses`.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=8, ratio=1.5, perturbation="log-normal:sigma=0.5")
    >>> learned = learn(instance, "poisson", "one,time,count:1")
    >>> instance.audit.bellman_error > 0.5, learned.instance.audit.bellman_error < 1e-4
    (True, True)
    """
    loss = parse(loss, LOSSES, "loss") if isinstance(loss, str) else loss
    refuse_potentials(instance.graph, "what losses learn from", LearningError)
    require_whole("iterations", iterations, 1)
    if samples is not None:
        require_whole("samples", samples, 1)
    if ridge is None:
        ridge = EXACT_RIDGE if samples is None else RIDGE_OF_SAMPLES / samples
    require_at_least("ridge", ridge, 0.0)
    seen = features if isinstance(features, Features) else features_of(instance, features, split)
    instance = seen.instance
    visits = exact_visits(instance, paths) if samples is None else sampled_visits(instance, samples, paths, seed)
    lesson = Lesson(instance, visits)
    loss.check(lesson)
    weight = 0.5 * (visits.reference + visits.target)
    scale = _scale(seen, weight)
    matrix = sparse.csr_array(seen.matrix @ sparse.diags_array(scale))
    search = _fixed_point if isinstance(loss, SoftRL) and loss.gradient == "stop" else _descent
    theta, count = search(loss, lesson, matrix, ridge, iterations, report or (lambda _: None))
    x = matrix @ theta
    objective, by_x = loss.slope(lesson, x)
    slope = float(np.abs(matrix.T @ by_x + ridge * theta).max())
    parameters = {
        **instance.parameters, "loss": spell(loss), "features": seen.text, "samples": samples, "paths": paths,
    }  # fmt: skip
    value = value_between(instance.graph, Scaled.from_log(loss.log_value(lesson, x)), instance.reward)
    return Learned(
        replace(instance, value=value, parameters=parameters),
        spell(loss), seen.columns, theta * scale, slope <= TOLERANCE, slope, count, objective, samples,
        matrix.T @ sparse.diags_array(weight) @ matrix,
    )  # fmt: skip


def _scale(seen: Features, weight: FloatArray) -> FloatArray:
    """Factors that give every feature a mean square of 1."""
    size = np.sqrt(seen.matrix.multiply(seen.matrix).T @ weight)
    # What training never sees keeps a weight of zero.
    return np.where(size > 0, 1.0 / np.where(size > 0, size, 1.0), 0.0)


def _descent(
    loss: Loss, lesson: Lesson, matrix: Any, ridge: float, iterations: int, report: Report
) -> tuple[FloatArray, int]:
    """Minimise by L-BFGS."""
    transposed, count = sparse.csr_array(matrix.T), 0

    def objective(theta: FloatArray) -> tuple[float, FloatArray]:
        value, by_x = loss.slope(lesson, matrix @ theta)
        return value + 0.5 * ridge * float(theta @ theta), transposed @ by_x + ridge * theta

    def told(intermediate_result: Any) -> None:
        nonlocal count
        count += 1
        if count % _REPORTED == 0:
            report(f"iteration {count}, loss {intermediate_result.fun:.8g}")

    theta, done, last = np.zeros(matrix.shape[1]), 0, np.inf
    # A search that ends where floats no longer tell losses apart gains some digits of the slope from a new start.
    while done < iterations:
        found = minimize(
            objective, theta, jac=True, method="L-BFGS-B", callback=told,
            options={"maxiter": iterations - done, "maxfun": 4 * iterations, "maxcor": 30, "ftol": 0.0, "gtol": 1e-11},
        )  # fmt: skip
        _require_sane(loss, matrix @ found.x, done + int(found.nit))
        slope = float(np.abs(objective(found.x)[1]).max())
        if slope >= last:
            break
        theta, done, last = np.asarray(found.x, np.float64), done + max(1, int(found.nit)), slope
        if slope < 1e-11:
            break
    return theta, done


def _fixed_point(
    loss: Loss, lesson: Lesson, matrix: Any, ridge: float, iterations: int, report: Report
) -> tuple[FloatArray, int]:
    """Repeat the regression of x on y(x), half way where a whole step leads away."""
    w = lesson.visits.weight
    weighted = sparse.csr_array(matrix.T @ sparse.diags_array(w))
    solve = splu(
        sparse.csc_array(weighted @ matrix + max(ridge, EXACT_RIDGE) * sparse.eye_array(matrix.shape[1]))
    ).solve
    theta, share, last = np.zeros(matrix.shape[1]), 1.0, np.inf
    for count in range(1, iterations + 1):
        x = matrix @ theta
        _require_sane(loss, x, count)
        step = solve(weighted @ np.where(w > 0, lesson.ahead(x), 0.0)) - theta
        size = float(np.abs(matrix @ step)[w > 0].max())
        if size > 2.0 * last and share > 1e-3:
            share /= 2.0
        last = min(last, size)
        theta = theta + share * step
        if count % _REPORTED == 0:
            report(f"iteration {count}, step {size:.3g}")
        if size < 1e-12 * (1.0 + float(np.abs(x).max())):
            return theta, count
    return theta, iterations


def _require_sane(loss: Loss, x: FloatArray, count: int) -> None:
    if not np.abs(x).max(initial=0.0) < _RUNAWAY:
        raise LearningError(
            f"loss {spell(loss)!r} ran away: after {count} iterations log V^ is beyond {_RUNAWAY:g}; take fewer "
            "features, a larger ridge, or another loss"
        )

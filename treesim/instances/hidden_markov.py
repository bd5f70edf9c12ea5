r"""Hidden Markov models: what particle filters are measured against.

States x_1, ..., x_T are a Markov chain, the reference policy; observation y_t has likelihood g(x_t, y_t), the potential
of every edge into x_t. The target is the smoothing law p(x_{1:T} | y_{1:T}), Z the likelihood p(y_{1:T}), and the
optimal twist the backward message V*(x_t) = p(y_{t+1:T} | x_t), as in the forward-backward algorithm (Rabiner 1989).
V^ = 1 is the bootstrap filter, which sees no observation ahead of time.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from treesim.arrays import Brief, FloatArray, IntArray
from treesim.errors import SpecError, quoted
from treesim.graphs.distributions import normalised
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.potentials import with_potentials
from treesim.graphs.trellis import Trellis
from treesim.graphs.values import expect_level, optimal_twist
from treesim.instances.instance import Instance
from treesim.instances.perturbations import perturb
from treesim.laws.walks import GuidedSteps, marginals
from treesim.runtime.reading import reason, require_file
from treesim.runtime.seeds import Stream, generator
from treesim.scaled import Scaled
from treesim.spec import require_positive, require_whole

# What a file gives in place of the likelihoods themselves.
EMISSIONS = ("emission", "mean", "log_likelihood")


@dataclass(frozen=True, eq=False, repr=False)
class HiddenMarkov(Brief):
    """A hidden Markov model with what was observed.

    Attributes
    ----------
    start : ndarray, shape [K]
        Law of the first state.
    transition : ndarray, shape [K, K]
    log_likelihood : ndarray, shape [T, K]
        log g of each observation in each state, in nats; -inf where it cannot be.
    """

    start: FloatArray
    transition: FloatArray
    log_likelihood: FloatArray


def hidden_markov(
    horizon: int,
    file: str | None = None,
    states: int = 3,
    symbols: int = 4,
    concentration: float = 1.0,
    lookahead: int | None = None,
    perturbation: str | None = None,
    epsilon: str | float | None = None,
    ratio_cap: float | None = None,
    seed: int = 0,
) -> Instance:
    """A hidden Markov model with observations from a file, or of its own: the target is the smoothing law.

    Parameters
    ----------
    horizon : int
        T, observations: the first of the file.
    file : str, optional
        JSON: ``start`` [K], ``transition`` [K, K], and ``observations`` [T] with ``emission`` [K, M] (numbers of
        symbols) or with ``mean`` and ``sd`` [K] (real numbers, normal in each state), or ``log_likelihood`` [T, K] of
        any observations in place of both. Left out, a random model with `states` and `symbols`, its rows Dirichlet
        (`concentration`), that writes its own observations.
    lookahead : int, optional
        How many observations ahead V^ sees: V^(x_t) = p(y_{t+1:t+k} | x_t). 0 is the bootstrap filter, V^ = 1; left
        out, V^ = V*.
    perturbation, epsilon, ratio_cap
        Of the exact value.

    Raises
    ------
    SpecError
        If the file is no model, or has fewer observations.
    RewardError
        If what was observed cannot be.

    References
    ----------
    Rabiner (1989), "A tutorial on hidden Markov models"; Chopin & Papaspiliopoulos (2020), chapters 2, 6 and 10.

    Examples
    --------
    >>> instance = hidden_markov(horizon=50, states=2, lookahead=0, seed=1)
    >>> instance.graph.n_nodes, instance.value.to_float().max().item()
    (101, 1.0)
    """
    require_whole("horizon", horizon, 1)
    if lookahead is not None:
        require_whole("lookahead", lookahead, 0)
        if perturbation is not None:
            raise SpecError(f"lookahead {lookahead} and perturbation {perturbation!r} exclude each other; give one")
    model = random_model(horizon, states, symbols, concentration, seed) if file is None else read_model(file)
    if len(model.log_likelihood) < horizon:
        raise SpecError(
            f"horizon is {horizon}, expected at most {len(model.log_likelihood)}, the observations of {file}"
        )
    graph = trellis_of(model, horizon)
    if lookahead is not None:
        return Instance(graph, foreseen(graph, lookahead))
    twist = optimal_twist(graph, np.zeros(graph.n_leaves))
    return Instance(graph, perturb(graph, twist, perturbation or "exact", epsilon, ratio_cap, seed))


def trellis_of(model: HiddenMarkov, horizon: int) -> Trellis:
    """States as nodes, likelihoods of the first `horizon` observations as potentials of the edges that lead there.

    Examples
    --------
    >>> graph = trellis_of(random_model(4, states=2, symbols=3), 4)
    >>> graph.log2_paths
    4.0
    """
    chain = Trellis.from_layers([model.start[None], *[model.transition] * (horizon - 1)])
    likelihood = model.log_likelihood
    return with_potentials(chain, [likelihood[t][chain.layer(t).child] for t in range(horizon)])


def foreseen(graph: LayeredGraph, steps: int) -> Scaled:
    """What the next so many potentials are worth in the mean, shape [n_nodes]; all that are left, where fewer are."""
    value, ahead = Scaled.empty(graph.n_nodes), Scaled.empty(graph.n_nodes)
    for t in range(graph.horizon + 1):
        end = min(t + steps, graph.horizon)
        ahead.mantissa[graph.level(end)], ahead.exponent[graph.level(end)] = 1.0, 0
        for u in reversed(range(t, end)):
            expect_level(graph, u, ahead)
        value.mantissa[graph.level(t)], value.exponent[graph.level(t)] = ahead[graph.level(t)].room
    return value.frozen()


def smoothed(instance: Instance) -> list[FloatArray]:
    """The law of the node at each level from 1 to T under the target: of a hidden Markov model, p(x_t | y_{1:T}).

    Examples
    --------
    >>> [law.sum().round(12).item() for law in smoothed(hidden_markov(horizon=3, seed=1))]
    [1.0, 1.0, 1.0]
    """
    return [mass.to_float() for mass, _ in marginals(GuidedSteps(instance.graph, instance.twist))]


def random_model(horizon: int, states: int, symbols: int, concentration: float = 1.0, seed: int = 0) -> HiddenMarkov:
    """A random model over symbols, and what it wrote."""
    for name, number in (("horizon", horizon), ("states", states), ("symbols", symbols)):
        require_whole(name, number, 1)
    require_positive("concentration", concentration)
    rng = generator(seed, Stream.POLICY)
    start = rng.dirichlet(np.full(states, concentration))
    transition = rng.dirichlet(np.full(states, concentration), size=states)
    emission = rng.dirichlet(np.full(symbols, concentration), size=states)
    rng, state, written = generator(seed, Stream.REWARD), 0, np.empty(horizon, np.int64)
    for t in range(horizon):
        state = int(rng.choice(states, p=start if t == 0 else transition[state]))
        written[t] = rng.choice(symbols, p=emission[state])
    return HiddenMarkov(start, transition, _of_symbols(emission, written))


def read_model(file: str) -> HiddenMarkov:
    """The model and the observations of a file; see `hidden_markov`.

    Raises
    ------
    SpecError
        If it is none; the message says what is missing or odd.
    """
    path = Path(file)
    require_file(path, SpecError)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SpecError(f"cannot read {file} as JSON: {reason(error)}") from None
    if not isinstance(document, dict):
        raise SpecError(f"{file} holds no object, expected start, transition, observations and emission")
    try:
        return _model(document)
    except SpecError as error:
        raise SpecError(f"{file} is no hidden Markov model: {error}") from None


def _model(document: dict[str, Any]) -> HiddenMarkov:
    kinds = [name for name in EMISSIONS if name in document]
    if len(kinds) != 1:
        raise SpecError(f"it has {len(kinds)} of emission, mean and log_likelihood, expected one")
    start = normalised(_array(document, "start", 1), "start", SpecError)
    size = len(start)
    transition = _array(document, "transition", 2, size)
    transition = np.array([normalised(row, f"row {i} of transition", SpecError) for i, row in enumerate(transition)])
    if transition.shape != (size, size):
        raise SpecError(f"transition has shape {transition.shape}, expected {(size, size)}")
    if kinds == ["log_likelihood"]:
        log_likelihood = _array(document, "log_likelihood", 2)
        if log_likelihood.shape[1] != size or np.isnan(log_likelihood).any() or np.isposinf(log_likelihood).any():
            raise SpecError(f"log_likelihood has shape {log_likelihood.shape}, expected numbers, {size} for each state")
        return HiddenMarkov(start, transition, log_likelihood)
    observed = _array(document, "observations", 1)
    if kinds == ["emission"]:
        emission = _array(document, "emission", 2, size)
        emission = np.array([normalised(row, f"row {i} of emission", SpecError) for i, row in enumerate(emission)])
        symbols = observed.astype(np.int64)
        odd = np.flatnonzero((symbols != observed) | (symbols < 0) | (symbols >= emission.shape[1]))
        if len(odd):
            raise SpecError(
                f"observation {odd[0]} is {observed[odd[0]]:g}, expected a symbol, 0 to {emission.shape[1] - 1}"
            )
        return HiddenMarkov(start, transition, _of_symbols(emission, symbols))
    mean, sd = _array(document, "mean", 1, size), _array(document, "sd", 1, size)
    if not ((sd > 0) & np.isfinite(sd)).all() or not (np.isfinite(mean).all() and np.isfinite(observed).all()):
        raise SpecError("mean, sd or observations hold what is no number, or an sd that is not above 0")
    z = (observed[:, None] - mean) / sd
    return HiddenMarkov(start, transition, -0.5 * z**2 - np.log(sd) - 0.5 * math.log(2.0 * math.pi))


def _of_symbols(emission: FloatArray, symbols: IntArray) -> FloatArray:
    """log g of symbols, shape [T, K]."""
    with np.errstate(divide="ignore"):
        return np.log(emission[:, symbols].T)


def _array(document: dict[str, Any], name: str, axes: int, rows: int | None = None) -> FloatArray:
    """An entry as an array with so many axes, and rows if that is known."""
    if name not in document:
        raise SpecError(f"it has no {name!r}")
    try:
        found = np.array(document[name], np.float64)
    except (TypeError, ValueError):
        raise SpecError(f"{name} is {quoted(document[name])}, expected numbers in {axes} axes") from None
    if found.ndim != axes or not found.size or (rows is not None and len(found) != rows):
        wanted = "" if rows is None else f", {rows} of them, one a state"
        raise SpecError(f"{name} has shape {found.shape}, expected numbers in {axes} axes{wanted}")
    return found

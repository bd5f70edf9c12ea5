r"""Potentials of edges: rewards that depend on the way and not on its end alone.

The edges of a trellis may carry potentials g >= 0. The target is then proportional to pi_ref(path) prod g(edge)
phi(end), a Feynman-Kac model, and V*(v) = sum_c p(c|v) g(v, c) V*(c). On a tree, where the leaf tells the way, that is
a reward of the leaf: unrolled, a trellis with potentials is a tree without.

Whatever looks at values one step ahead sees g(v, c) V(c) where V(c) stood before, and nothing else changes: rho and L,
guided steps, weights of particles. So potentials enter in one place, `ahead`: it makes every edge a child of its own,
of value g V, and what takes a layer and the values of its children takes these.

Source: Del Moral (2004), "Feynman-Kac formulae", chapter 2; Chopin & Papaspiliopoulos (2020), chapter 5.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from treesim.arrays import FloatArray, IntArray, frozen, read_only
from treesim.errors import TreeError, TreesimError
from treesim.graphs.layered import NO_CHILD, Layer, LayeredGraph
from treesim.kernels.forward import push_mass, push_reach
from treesim.scaled import Scaled, as_scaled

if TYPE_CHECKING:
    from treesim.graphs.trellis import Trellis

MANTISSA, EXPONENT = "potential_mantissa", "potential_exponent"


def with_potentials(trellis: Trellis, potentials: Sequence[ArrayLike | Scaled]) -> Trellis:
    """The trellis whose edges carry potentials, in place of those that they had.

    Parameters
    ----------
    trellis : Trellis
    potentials : sequence of array_like or Scaled, shape [horizon], each of shape [n_edges of the layer]
        log g of the edges of each step, in nats; ``-inf`` where g is zero. Layers that repeat with the same potentials
        are stored once.

    Raises
    ------
    TreeError
        If there is not one number for each edge, or one is NaN or +inf.

    Examples
    --------
    >>> from treesim import Trellis, optimal_twist
    >>> chain = Trellis.markov([[0.5, 0.5], [0.5, 0.5]], horizon=100)
    >>> weighted = with_potentials(chain, [np.log([1.0, 3.0])] + [np.log([1.0, 3.0, 1.0, 3.0])] * 99)
    >>> float(optimal_twist(weighted, np.zeros(2)).log()[0] / np.log(2.0))
    100.0
    """
    if len(potentials) != trellis.horizon:
        raise TreeError(f"there are potentials of {len(potentials)} steps, expected one for each of {trellis.horizon}")
    place: dict[tuple[int, bytes], int] = {}
    order: list[int] = []
    layers: list[int] = []
    weights: list[Scaled] = []
    for t, (which, given) in enumerate(zip(trellis.order.tolist(), potentials, strict=True)):
        potential = _potential_of_step(t, given)
        key = which, sha256(potential.mantissa.tobytes() + potential.exponent.tobytes()).digest()
        if key not in place:
            place[key] = len(layers)
            layers.append(which)
            weights.append(potential)
        order.append(place[key])
    return dataclasses.replace(
        trellis,
        layers=[trellis.layers[which] for which in layers],
        order=np.array(order, np.int64),
        tokens=None if trellis.tokens is None else [trellis.tokens[which] for which in layers],
        potentials=weights,
    )


def without_potentials(graph: LayeredGraph) -> LayeredGraph:
    """The graph with its pi_ref alone; itself, where it has no potentials."""
    if graph.potential(0) is None:
        return graph
    return dataclasses.replace(graph, potentials=None)  # type: ignore[type-var]


def has_potentials(graph: LayeredGraph) -> bool:
    """Whether edges carry potentials."""
    return graph.potential(0) is not None


def refuse_potentials(graph: LayeredGraph, what: str, error: type[TreesimError]) -> None:
    """Raise `error` where edges carry potentials: `what` is said of the leaves alone.

    Examples
    --------
    >>> from treesim import Tree
    >>> refuse_potentials(Tree.complete(2, 3), "the law of the reward", TreeError)
    """
    if has_potentials(graph):
        raise error(
            f"{what} is known where the end of a path tells its reward, and edges of this trellis carry potentials; "
            "unroll it if it is small"
        )


def ahead(graph: LayeredGraph, t: int, value: Scaled) -> tuple[Layer, Scaled]:
    """The edges from level `t`, and what they lead to.

    Parameters
    ----------
    graph : LayeredGraph
    t : int
    value : Scaled, shape [n_nodes]

    Returns
    -------
    Layer
        The layer as it is; where edges carry potentials each leads to a child of its own.
    Scaled, shape [n_children]
        V of these children; with potentials g V, of each edge.

    Examples
    --------
    >>> from treesim import Trellis
    >>> chain = Trellis.markov([[0.5, 0.5], [0.5, 0.5]], horizon=1)
    >>> layer, worth = ahead(with_potentials(chain, [np.log([1.0, 3.0])]), 0, Scaled.from_float([1.0, 2.0, 2.0]))
    >>> len(layer.child), worth.to_float().round(12)
    (0, array([2., 6.]))
    """
    layer, below, potential = graph.layer(t), value[graph.level(t + 1)], graph.potential(t)
    if potential is None:
        return layer, below
    return Layer(layer.ptr, layer.prob, NO_CHILD), (below[layer.child] * potential).frozen()


def path_potential(graph: LayeredGraph, edges: NDArray[np.int32]) -> Scaled:
    """The product of the potentials along some paths, shape [n].

    Parameters
    ----------
    graph : LayeredGraph
    edges : ndarray of int32, shape [n, horizon]
        The edge of each step, numbered within its layer.
    """
    product = Scaled.from_float(np.ones(len(edges)))
    for t in range(graph.horizon):
        potential = graph.potential(t)
        if potential is not None:
            product *= potential[edges[:, t].astype(np.int64)]
    return product


def live_reach(graph: LayeredGraph) -> list[FloatArray]:
    """For each level but the last, pi_ref of being at each of its nodes by a way of positive potentials."""
    if not has_potentials(graph):
        return graph.reach
    reach = [read_only(np.ones(1))]
    for t in range(graph.horizon - 1):
        layer, potential = graph.layer(t), graph.potential(t)
        assert potential is not None
        prob = np.where(potential.mantissa > 0, layer.prob, 0.0)
        below = np.zeros(graph.n_level(t + 1))
        push_reach(0, len(reach[-1]), (layer.ptr, read_only(prob), layer.child), reach[-1], below)
        reach.append(read_only(below))
    return reach


def forward_mass(graph: LayeredGraph) -> list[Scaled]:
    """For each level but the last, pi_ref times the potentials of all ways to each of its nodes."""
    masses = [Scaled.from_float([1.0])]
    for t in range(graph.horizon - 1):
        masses.append(mass_below(graph, t, masses[-1]))
    return masses


def mass_below(graph: LayeredGraph, t: int, mass: Scaled) -> Scaled:
    """What the mass of the nodes of level t becomes at level t + 1, by pi_ref times the potentials."""
    layer, below = graph.layer(t), Scaled.zeros(graph.n_level(t + 1))
    edge, potential = Scaled.from_float(layer.prob), graph.potential(t)
    if potential is not None:
        edge *= potential
    push_mass(tuple(layer), mass.numbers, edge.numbers, below.room)
    return below


def checked_potentials(potentials: Sequence[Scaled] | None, layers: Sequence[Layer]) -> tuple[Scaled, ...] | None:
    """Potentials of the distinct layers that nobody can write to; raises `TreeError` if they are not one an edge."""
    if potentials is None:
        return None
    sizes, wanted = [len(potential) for potential in potentials], [len(layer.prob) for layer in layers]
    if sizes != wanted:
        raise TreeError(f"there are potentials of {sizes} edges, layer by layer, expected one for each of {wanted}")
    return tuple(Scaled(frozen(potential.mantissa), frozen(potential.exponent)) for potential in potentials)


def potential_arrays(potentials: Sequence[Scaled] | None) -> dict[str, NDArray[Any]]:
    """What files hold of the potentials of distinct layers, laid end to end; nothing where there are none."""
    if potentials is None:
        return {}
    return {
        MANTISSA: np.concatenate([potential.mantissa for potential in potentials]),
        EXPONENT: np.concatenate([potential.exponent for potential in potentials]),
    }


def potentials_of_arrays(arrays: Mapping[str, NDArray[Any]], ends: IntArray) -> list[Scaled] | None:
    """The potentials of layers whose edges end at `ends`, from what a file holds; raises `TreeError` on one half."""
    if MANTISSA not in arrays and EXPONENT not in arrays:
        return None
    if MANTISSA not in arrays or EXPONENT not in arrays or {len(arrays[MANTISSA]), len(arrays[EXPONENT])} != {ends[-1]}:
        raise TreeError(f"the arrays of the potentials are not two of {ends[-1]} numbers, one for each edge")
    parts = (np.split(arrays[name], ends[:-1]) for name in (MANTISSA, EXPONENT))
    return [Scaled(mantissa, exponent) for mantissa, exponent in zip(*parts, strict=True)]


def _potential_of_step(t: int, given: ArrayLike | Scaled) -> Scaled:
    try:
        return as_scaled(given)
    except TreesimError as error:
        raise TreeError(f"of the potentials of step {t} the {error}") from None

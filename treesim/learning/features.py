"""Features of a prefix: what a learned value sees of it.

A feature spec is a list of terms, separated by commas; a term is one of these, or a product ``a*b`` of several:

- ``one``: 1 everywhere; ``time``: t / T; ``level``: which t it is;
- ``suffix:j``: the last j tokens; ``count:TOKEN``: how often it was written, ``count`` for every token;
- ``automaton``: how far the constraint of an n-gram instance has come;
- ``node``: which node it is (a table, the largest class there is).

What is one of several (``level``, ``suffix``, ``automaton``, ``node``) has a column for each. So ``level*suffix:2`` is
a table of its own for every level and pair of tokens, ``level,suffix:2`` one that adds up. Tokens with a comma or a
star are written in quotes: ``count:','``. A Python function of the prefix, or an array with a row a node, is one too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from treesim.arrays import Brief, FloatArray, IntArray
from treesim.decoding.constrained import pose
from treesim.errors import SpecError, TreesimError, quoted
from treesim.graphs.layered import LayeredGraph
from treesim.instances.instance import Instance
from treesim.instances.path_states import UNKNOWN, Count, EdgeTokens, PathState, carried, split
from treesim.registry import Registry

Term: TypeAlias = "str | Callable[[Any], Any] | NDArray[np.float64]"
FeatureSpec: TypeAlias = "Term | Sequence[Term]"
Function = TypeVar("Function", bound=Callable[..., Any])

# Functions of a prefix, by the name that a term has.
FEATURES: Registry[Callable[[Any], Any]] = Registry("treesim.features")

KINDS = ("one", "time", "level", "suffix:j", "count:TOKEN", "automaton", "node")
_EXPECTED = {kind.partition(":")[0]: kind for kind in KINDS}


def register_feature(name: str) -> Callable[[Function], Function]:
    """Make a function of a prefix a feature with a name; it returns a number, or several.

    Raises
    ------
    SpecError
        If the name is no word, or that of another feature.

    Examples
    --------
    >>> @register_feature("is-short")
    ... def is_short(prefix):
    ...     return float(len(prefix) < 2)
    >>> from treesim import family
    >>> features_of(family("uniform", horizon=3), "one,is-short").columns
    ['one', 'is-short:0']
    """
    if not re.fullmatch(r"[A-Za-z][-\w]*", name) or name in _EXPECTED:
        raise SpecError(f"no feature can be called {quoted(name)}, expected a word that is none of {', '.join(KINDS)}")

    def add(function: Function) -> Function:
        FEATURES[name] = function
        return function

    return add


@dataclass(frozen=True, eq=False, repr=False)
class Features(Brief):
    """What is seen of the prefixes of an instance.

    Attributes
    ----------
    instance : Instance
        On nodes that know what is seen: another one than asked for if those of a trellis had to be split.
    matrix : scipy.sparse.csr_array, shape [n_rows, n_columns]
        A row for each node of levels 1 to T - 1, in their order.
    columns : list of str
        What each column is.
    text : str
        The terms.

    Examples
    --------
    >>> from treesim import family
    >>> found = features_of(family("uniform", horizon=3), "level,suffix:1")
    >>> found.columns, found.matrix.shape
    (['level=1', 'level=2', 'suffix:1=0', 'suffix:1=1'], (6, 4))
    """

    instance: Instance
    matrix: Any
    columns: list[str]
    text: str


@dataclass(frozen=True, eq=False)
class _Block:
    """Columns of all nodes."""

    matrix: Any
    columns: list[str]

    def __mul__(self, other: _Block) -> _Block:
        """All products of a column of one and a column of the other, those left out that are zero everywhere."""
        a, b = self.matrix.tocsc(), other.matrix.tocsc()
        products = sparse.hstack([b.multiply(a[:, [i]]) for i in range(a.shape[1])], format="csc")
        kept = np.flatnonzero(np.diff(products.indptr))
        names = [f"{x}*{y}" for x in self.columns for y in other.columns]
        return _Block(products[:, kept], [names[i] for i in kept])


def features_of(instance: Instance, spec: FeatureSpec, is_split: bool = False) -> Features:
    """The features of an instance's prefixes.

    Parameters
    ----------
    instance : Instance
    spec : str, callable, array or sequence of them
        See `treesim.learning.features`. A callable gets the name of a node, or on a graph without names which child
        was taken at each step to it, and returns a number or several.
    is_split : bool
        Whether nodes of a trellis are told apart where a feature needs it.

    Raises
    ------
    SpecError
        If there is no such feature.
    TreesimError
        If a feature is not known where it is needed.

    Examples
    --------
    >>> from treesim import family
    >>> features_of(family("uniform", horizon=3), "time,suffix:1*count:1").columns
    ['time', 'suffix:1=0*count:1', 'suffix:1=1*count:1']
    """
    terms = _terms(spec)
    if instance.horizon < 2:
        raise TreesimError("the horizon is 1, and nothing lies between the root and the rewards; expected at least 2")
    origin = np.arange(instance.graph.n_nodes)
    source, tokens = instance, EdgeTokens.of(instance.graph)
    states = _path_states(terms, tokens)
    if is_split and instance.graph.keeps_edges and states:
        instance, origin = split(instance, states)
        tokens = EdgeTokens.of(instance.graph)
    known = dict(zip((state.name for state in states), carried(instance.graph, tokens, states), strict=True))
    maker = _Maker(instance, source, origin, tokens, known)
    blocks = [maker.term(term) for term in terms]
    inner = slice(int(instance.graph.level_ptr[1]), instance.graph.leaves.start)
    matrix = sparse.hstack([block.matrix.tocsr()[inner] for block in blocks], format="csr")
    columns = [name for block in blocks for name in block.columns]
    kept = np.flatnonzero(np.diff(matrix.tocsc().indptr))
    if not len(kept):
        raise TreesimError(f"the features are zero at every prefix of 1 to {instance.horizon - 1} tokens")
    text = ",".join(term if isinstance(term, str) else getattr(term, "__name__", "array") for term in terms)
    return Features(instance, sparse.csr_array(matrix.tocsc()[:, kept]), [columns[i] for i in kept], text)


@dataclass(frozen=True, eq=False)
class _Maker:
    """Makes the columns of a term, for all nodes of an instance; `source` and `origin` are what it was split from."""

    instance: Instance
    source: Instance
    origin: IntArray
    tokens: EdgeTokens
    known: dict[str, IntArray]

    def term(self, term: Term) -> _Block:
        """The columns of a term."""
        if isinstance(term, np.ndarray):
            return self._given(term, "array")
        if callable(term):
            return self._called(term, getattr(term, "__name__", "function"))
        atoms = [self._atom(atom) for atom in _parts(term, "*")]
        whole = atoms[0]
        for atom in atoms[1:]:
            whole = whole * atom
        return whole

    def _atom(self, atom: str) -> _Block:
        name, _, rest = atom.partition(":")
        graph = self.instance.graph
        level = np.repeat(np.arange(graph.horizon + 1), np.diff(graph.level_ptr))
        if name == "one":
            return _numbers(np.ones(graph.n_nodes), "one")
        if name == "time":
            return _numbers(level / graph.horizon, "time")
        if name == "level":
            return _classes(level, "level", str)
        if name == "node":
            return _classes(np.arange(graph.n_nodes), "node", str)
        if name == "automaton":
            return _classes(self._automaton()[self.origin], "automaton", str)
        if name in FEATURES:
            return self._called(FEATURES[name], name)
        if name == "suffix":
            return _classes(self.known[atom], atom, self._suffix)
        names = [f"count:{token}" for token in self.tokens.vocabulary] if not rest else [f"count:{_bare(rest)}"]
        blocks = [_numbers(np.maximum(self.known[each], 0).astype(float), each) for each in names]
        return _Block(sparse.hstack([block.matrix for block in blocks]), names)

    def _suffix(self, code: int) -> str:
        """The tokens that a code stands for."""
        text, base = "", len(self.tokens.vocabulary) + 1
        while code:
            text = (self.tokens.vocabulary[code % base - 1] if code % base else "") + text
            code //= base
        return text

    def _automaton(self) -> IntArray:
        """The state of the constraint at every node of the instance as it was given."""
        given = self.source
        if given.family != "ngram":
            raise TreesimError("feature 'automaton' is known for instances of family 'ngram' only")
        names = ("text", "unit", "order", "tokens", "smoothing", "constraint", "contains", "excludes", "violation")
        settings = {name: given.parameters[name] for name in names if name in given.parameters}
        for name in ("contains", "excludes"):
            settings[name] = tuple(settings.get(name) or ())
        problem = pose(given.horizon, **settings)
        if not problem.product.trellis.same_as(given.graph):
            raise TreesimError(
                "feature 'automaton': the constraint posed again makes another trellis; is the text still the same, "
                "and the instance neither merged nor unrolled?"
            )
        return np.concatenate([[0], np.tile(problem.product.automaton_state, given.horizon)])

    def _called(self, function: Callable[[Any], Any], called: str) -> _Block:
        graph = self.instance.graph
        prefixes = graph.names if graph.names is not None else [_way(graph, v) for v in range(graph.n_nodes)]
        rows = [np.zeros(0) if name is None else np.atleast_1d(function(name)) for name in prefixes]
        width = max(map(len, rows))
        odd = next((i for i, row in enumerate(rows) if len(row) not in (0, width)), None)
        if odd is not None:
            raise TreesimError(
                f"feature {called!r} gives {len(rows[odd])} numbers for {quoted(prefixes[odd])}, and {width} for others"
            )
        return self._given(np.stack([row if len(row) else np.zeros(width) for row in rows]), called)

    def _given(self, array: FloatArray, name: str) -> _Block:
        table = np.asarray(array, np.float64)
        table = table[:, None] if table.ndim == 1 else table
        if table.ndim != 2 or len(table) != self.instance.graph.n_nodes or not np.isfinite(table).all():
            raise TreesimError(
                f"features {name!r} have shape {np.shape(array)}, expected finite numbers, a row for each of "
                f"{self.instance.graph.n_nodes} nodes"
            )
        return _Block(sparse.csr_array(table), [f"{name}:{i}" for i in range(table.shape[1])])


def _terms(spec: FeatureSpec) -> list[Term]:
    if isinstance(spec, str):
        return [*_parts(spec, ",")]
    if callable(spec) or isinstance(spec, np.ndarray):
        return [spec]
    return [term for each in spec for term in _terms(each)]


def _parts(text: str, mark: str) -> list[str]:
    """What stands between the marks that are not in quotes."""
    pattern = rf"""(?:[^{re.escape(mark)}'"]|'[^']*'|"[^"]*")+"""
    parts = re.findall(pattern, text)
    if not parts or mark.join(parts) != text:
        raise SpecError(f"features {quoted(text)} cannot be read, expected terms such as {', '.join(KINDS)}")
    for part in parts if mark == "," else ():
        for atom in _parts(part, "*"):
            name, colon, rest = atom.partition(":")
            if name not in [*_EXPECTED, *FEATURES] or (colon and name not in ("suffix", "count")):
                raise SpecError(f"unknown feature {quoted(atom)}, expected one of: {', '.join([*KINDS, *FEATURES])}")
            if name == "suffix" and not (rest.isdecimal() and int(rest) > 0):
                raise SpecError(f"feature {quoted(atom)} needs how many tokens, such as suffix:2")
    return parts


def _bare(token: str) -> str:
    """A token without the quotes around it."""
    return token[1:-1] if len(token) > 1 and token[0] == token[-1] and token[0] in "'\"" else token


def _path_states(terms: Sequence[Term], tokens: EdgeTokens) -> list[PathState]:
    """What must be carried along paths for the terms, each once."""
    states: dict[str, PathState] = {}
    for term in terms:
        for atom in _parts(term, "*") if isinstance(term, str) else ():
            name, _, rest = atom.partition(":")
            if name == "suffix":
                states[atom] = tokens.last(int(rest))
            elif name == "count":
                for token in [_bare(rest)] if rest else tokens.vocabulary:
                    states[f"count:{token}"] = Count(f"count:{token}", tokens.number(token))
    return list(states.values())


def _numbers(column: FloatArray, name: str) -> _Block:
    return _Block(sparse.csr_array(column[:, None]), [name])


def _classes(code: IntArray, name: str, says: Callable[[int], str]) -> _Block:
    """A column for each class that is there."""
    known = np.flatnonzero(code != UNKNOWN)
    classes, number = np.unique(code[known], return_inverse=True)
    matrix = sparse.csr_array((np.ones(len(known)), (known, number.ravel())), shape=(len(code), len(classes)))
    return _Block(matrix, [f"{name}={says(int(each))}" for each in classes])


def _way(graph: LayeredGraph, node: int) -> tuple[int, ...]:
    """Which child was taken at each step to a node of a tree."""
    level = graph.level_of(node)
    tree = graph.require_tree("features from a function need names on a trellis, whose nodes have many prefixes")
    return tuple(tree.choices(node - graph.level(level).start, level)) if level else ()

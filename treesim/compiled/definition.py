"""Trees that are defined, not stored: a class whose methods say what follows a state and what an end is worth.

The class is a dataclass: its fields are the parameters. Its methods are compiled, with `self` a tuple of the fields.
"""

from __future__ import annotations

import dataclasses
import re
from collections import namedtuple
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from treesim.compiled.growth import grow_tree, grow_trellis
from treesim.errors import SpecError, TreesimError, listed, quoted
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.graphs.values import optimal_twist
from treesim.instances.instance import Instance
from treesim.instances.perturbations import perturb
from treesim.kernels.compiled import Functions
from treesim.kernels.states import TUPLES, NumbaError, converted, is_safe, list_type, returns, state_type, types, users
from treesim.runtime.fingerprint import fingerprint
from treesim.runtime.user_code import home, reason
from treesim.spec import LARGEST_WHOLE, require_kind, require_one_of, require_whole

if TYPE_CHECKING:
    from treesim.compiled.streamed import Streamed

_METHODS = ("root", "children", "reward")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FORMS = ("tree", "trellis")


class Compiled(NamedTuple):
    """What kernels need of a tree.

    Attributes
    ----------
    functions : Functions
        The user's, compiled.
    fields : tuple
        What ``self`` is made of.
    root : number or tuple of numbers
        The state of the root.
    width : int or None
        How many children a node has at the most; None where they come as arrays.
    """

    functions: Functions
    fields: tuple[Any, ...]
    root: Any
    width: int | None


class CompiledTree:
    """Base of the classes that `compiled_tree` makes: built into arrays, or streamed where those would not fit."""

    horizon: int

    def tree(self) -> Tree:
        """The tree in arrays; children of probability zero are left out.

        Raises
        ------
        SpecError
            If a function does not compile, or returns something else than it should.
        TreeError
            If the probabilities of a state are no distribution.
        MemoryBudgetError
            If the tree outgrows the memory budget.

        Examples
        --------
        >>> @compiled_tree
        ... class Walk:
        ...     horizon: int = 3
        ...     def root(self):
        ...         return 0
        ...     def children(self, state):
        ...         return (state, state + 1), (0.5, 0.5)
        ...     def reward(self, state):
        ...         return 2.0**state
        >>> Walk().tree(), Walk().trellis()
        (Tree(horizon=3, 15 nodes, 8 paths), Trellis(horizon=3, 10 nodes, 8 paths))
        """
        return grow_tree(self.compiled, self._horizon, weigh=False).graph

    def trellis(self) -> Trellis:
        """The trellis whose nodes are the different states of each level, merged while it is built.

        Raises as `tree` does.
        """
        return grow_trellis(self.compiled, self._horizon, weigh=False).graph

    def instance(
        self,
        form: str = "tree",
        perturbation: str | None = None,
        epsilon: str | float | None = None,
        ratio_cap: float | None = None,
        seed: int = 0,
    ) -> Instance:
        """The instance in arrays: a ``tree``, or a ``trellis``.

        Parameters
        ----------
        form : str
        perturbation : str, optional
            V^ from V*, as `treesim.perturb` makes it; left out, V^ is the class's own value, or V* if it has none.
        epsilon, ratio_cap, seed : optional
            Of the perturbation.

        Raises
        ------
        RewardError
            If a reward or a value is not zero or within 1e-150 .. 1e150, or all rewards are zero.
        """
        require_one_of("form", form, _FORMS)
        grown = (grow_tree if form == "tree" else grow_trellis)(self.compiled, self._horizon)
        if perturbation is None and epsilon is not None:
            raise SpecError("epsilon is given without a perturbation, expected both")
        if perturbation is not None or self.compiled.functions.value is None:
            twist = optimal_twist(grown.graph, grown.reward)
            value = perturb(grown.graph, twist, perturbation or "exact", epsilon, ratio_cap, seed)
        else:
            value = grown.inner.followed_by(grown.reward)
        parameters = {"form": form, "perturbation": perturbation, "epsilon": epsilon, "ratio_cap": ratio_cap}
        return Instance(grown.graph, value, type(self).__name__, {**self.parameters(), **parameters}, seed)

    def stream(
        self,
        *,
        journal: Path | str | None = None,
        progress: Callable[[str], None] | None = None,
        subtrees: int = 1024,
        most_rewards: int = 4096,
    ) -> Streamed:
        """What is true of the tree, found depth first, on all cores, without storing it.

        Parameters
        ----------
        journal : path, optional
            A file where finished subtrees are kept: interrupted, the same call goes on where it stopped.
        progress : callable, optional
            Told in words what is being done.
        subtrees : int
            About how many subtrees the work is split into; the figures do not depend on the threads that share it.
        most_rewards : int
            How many different rewards are told apart; beyond, the law of the reward is not known.

        Raises
        ------
        SpecError, TreeError, RewardError
            As `tree` and `instance` do.

        Examples
        --------
        >>> @compiled_tree
        ... class Ones:
        ...     horizon: int = 16
        ...     up: float = 0.3
        ...     def root(self):
        ...         return 0
        ...     def children(self, state):
        ...         return (state, state + 1), (1.0 - self.up, self.up)
        ...     def reward(self, state):
        ...         return 1.0 + 0.1 * state
        ...     def value(self, state):
        ...         return 1.3 + 0.1 * state
        >>> found = Ones().stream()
        >>> f"{found.log_partition:.12f}", f"{np.log(1.0 + 0.1 * 16 * 0.3):.12f}"
        ('0.392042087776', '0.392042087776')
        >>> round(found.tv("best-of-n:n=4").lo, 6)
        0.423488
        """
        from treesim.compiled.stream import stream

        return stream(self, self._horizon, journal, progress, subtrees, most_rewards)

    @property
    def _horizon(self) -> int:
        require_whole("horizon", self.horizon, 1)
        return int(self.horizon)

    def parameters(self) -> dict[str, Any]:
        """The fields, as JSON has them; of an array its shape."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {key: f"{v.dtype}{list(v.shape)}" if isinstance(v, np.ndarray) else v for key, v in fields.items()}

    @cached_property
    def compiled(self) -> Compiled:
        """The functions, the fields and the root, checked."""
        kind: Any = type(self)
        fields = tuple(_field(self, field) for field in dataclasses.fields(self))  # type: ignore[arg-type]
        functions = _functions(kind)
        try:
            root = kind.root(self)
        except TreesimError:
            raise
        except Exception as error:
            raise SpecError(f"{kind.__name__}.root failed: {reason(error)}") from error
        root = tuple(map(_plain, root)) if isinstance(root, tuple) else _plain(root)
        state = None if isinstance(root, bool) else state_type(root)
        if state is None:
            raise SpecError(f"{kind.__name__}.root is {quoted(root)}, expected a number or a tuple of numbers")
        found = _compile(kind, "children", functions, fields, state)
        children, width = _as_wanted(kind, functions.children, found, state)
        functions = functions._replace(children=children)
        for name in ("reward", "value") if functions.value is not None else ("reward",):
            found = _compile(kind, name, functions, fields, state)
            if not is_safe(found, types.float64):
                raise SpecError(f"{_called(kind, name)} returns {found}, expected a number")
            if found != types.float64:
                functions = functions._replace(**{name: converted(getattr(functions, name), types.float64)})
        return Compiled(functions, fields, root, width)


def compiled_tree(kind: Any) -> Any:
    """Make a class a tree that is compiled: a decorator.

    The class has a field ``horizon``, others as it likes (numbers, tuples of them, arrays), and methods

    - ``root(self)``: the state at the root, a whole number, a float, or a tuple of them;
    - ``children(self, state)``: the states that may follow and their probabilities, two tuples, or two arrays; those of
      probability zero are no children;
    - ``reward(self, state)``: phi of a state at level T, linear: zero, or within 1e-150 .. 1e150;
    - ``value(self, state)``, if there is an approximate value: V^ of a state above level T, linear.

    Methods but ``root`` are compiled by numba, with ``self`` a tuple of the fields: no other methods, no attributes.

    Raises
    ------
    SpecError
        If the class lacks a method or the field.

    Examples
    --------
    >>> @compiled_tree
    ... class Walk:
    ...     horizon: int
    ...     up: float = 0.5
    ...     def root(self):
    ...         return 0
    ...     def children(self, state):
    ...         return (state, state + 1), (1.0 - self.up, self.up)
    ...     def reward(self, state):
    ...         return 2.0**state
    >>> Walk(horizon=20, up=0.25).instance("trellis").graph
    Trellis(horizon=20, 231 nodes, 2^20 paths)
    """
    if not isinstance(kind, type):
        raise SpecError(f"compiled_tree is for classes, got {quoted(kind)}")
    absent = [name for name in _METHODS if not callable(getattr(kind, name, None))]
    if absent:
        raise SpecError(f"{kind.__name__} has no method {absent[0]!r}, expected {listed(_METHODS)} and perhaps 'value'")
    data = kind if dataclasses.is_dataclass(kind) else dataclasses.dataclass(frozen=True)(kind)
    names = [field.name for field in dataclasses.fields(data)]
    if "horizon" not in names:
        raise SpecError(f"{kind.__name__} has no field 'horizon', expected one: horizon: int = 20")
    body = {"__doc__": kind.__doc__, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return type(kind.__name__, (data, CompiledTree), body)


@cache
def _functions(kind: Any) -> Functions:
    """A class's functions, compiled when they are first needed: what they refer to may stand below the class."""
    methods = [kind.children, kind.reward, getattr(kind, "value", None)]
    value = methods[2] if callable(methods[2]) else None
    names = [field.name for field in dataclasses.fields(kind)]
    code = fingerprint([each for each in methods if callable(each)], *names)
    return Functions(
        users(kind.children), users(kind.reward), value and users(value), namedtuple(kind.__name__, names), code
    )  # fmt: skip


def _field(tree: CompiledTree, field: dataclasses.Field[Any]) -> Any:
    """A field as numba takes it."""
    given = getattr(tree, field.name)
    what = f"{field.name} of {type(tree).__name__}"
    require_kind(what, given, field.type)
    if isinstance(given, np.ndarray):
        if given.dtype.kind not in "iufb":
            raise SpecError(f"{what} is an array of {given.dtype}, expected numbers")
        return np.ascontiguousarray(given)
    entries = given if isinstance(given, tuple) else (given,)
    plain = tuple(map(_plain, entries))
    if not entries or not all(isinstance(each, int | float) for each in plain):
        raise SpecError(f"{what} is {quoted(given)}, expected a number, a tuple of numbers, or an array")
    if isinstance(given, tuple):
        return plain
    # A whole number given for a float would be another type, and all kernels compiled once more.
    return float(plain[0]) if field.type in (float, "float") else plain[0]


def _plain(number: Any) -> Any:
    """A number of Python's own."""
    number = number.item() if isinstance(number, np.generic) else number
    if isinstance(number, int) and abs(number) > LARGEST_WHOLE * 2**9:
        raise SpecError(f"{quoted(number)} is beyond 64 bits")
    return number


def _compile(kind: type, name: str, functions: Functions, fields: Any, state: Any) -> Any:
    """What a function returns, a type of numba's."""
    try:
        return returns(getattr(functions, name), functions.fields, fields, state, functions.code_of(name))
    except NumbaError as error:
        raise SpecError(f"{_called(kind, name)} does not compile: {_gist(error)}") from error
    except TreesimError:
        raise
    except Exception as error:
        raise SpecError(f"{_called(kind, name)} does not compile: {type(error).__name__}: {error}") from error


def _called(kind: type, name: str) -> str:
    where = home(getattr(kind, name))
    return f"{kind.__name__}.{name}{f' ({where})' if where else ''}"


def _gist(error: NumbaError) -> str:
    """The first line of numba's that says what is wrong."""
    lines = [line.strip() for line in _COLOURS.sub("", str(error)).splitlines()]
    telling = [line for line in lines if line and not line.startswith(("Failed in", "-", "During:", "File"))]
    return telling[0] if telling else type(error).__name__


def _as_wanted(kind: type, children: Any, found: Any, state: Any) -> tuple[Any, int | None]:
    """The function with states of the root's type and floats, and how many, None where they come as arrays."""
    called = _called(kind, "children")
    if not isinstance(found, TUPLES) or len(found.types) != 2:
        raise SpecError(f"{called} returns {found}, expected (states, probabilities)")
    states, probs = (list_type(each, entry) for each, entry in zip(found.types, (state, types.float64), strict=True))
    if probs is None:
        raise SpecError(f"{called} returns probabilities {found.types[1]}, expected floats: a tuple, or an array")
    if states is None:
        raise SpecError(
            f"{called} returns states {found.types[0]}, expected a tuple or an array of {state}, as the root is"
        )
    sizes = {each.count for each in (states, probs) if isinstance(each, types.UniTuple)}
    if len(sizes) > 1:
        raise SpecError(f"{called} returns {states.count} states and {probs.count} probabilities, expected as many")
    wanted = types.Tuple((states, probs))  # type: ignore[no-untyped-call]
    return children if wanted == found else converted(children, wanted), sizes.pop() if sizes else None

"""States of compiled trees: numbers or tuples of them, kept side by side in plain memory; and users' functions.

A state is a 64-bit number, or a tuple of such. Numba has no arrays of tuples: a *room* is an array of 64-bit words in
which `put` and `get` lay and read them, ``words(state)`` each.
"""

from functools import cache
from typing import Any

from numba import njit, typeof
from numba import types as types
from numba.core.errors import NumbaError as NumbaError
from numba.core.registry import cpu_target
from numba.core.typeconv.castgraph import Conversion
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

# Kernels that hold a user's functions are made for one class of trees: treesim's own cache does not know them.
OPTIONS: dict[str, Any] = {"nogil": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
walker: Any = njit(**OPTIONS)

SCALARS = (types.int64, types.float64)
TUPLES: Any = (types.UniTuple, types.Tuple)


def users(function: Any) -> Any:
    """A user's function, compiled: an index that leaves an array is an error there, not another array's number."""
    return njit(function, nogil=True, boundscheck=True)


def state_type(state: Any) -> Any:
    """Numba's type of a state; None if it is no number, nor a tuple of numbers."""
    kind = typeof(state)
    parts = kind.types if isinstance(kind, TUPLES) else (kind,)
    return kind if parts and all(each in SCALARS for each in parts) else None


def words(state: Any) -> int:
    """64-bit words that a state takes."""
    return len(state) if isinstance(state, tuple) else 1


def returns(function: Any, *arguments: Any) -> Any:
    """What a compiled function returns for arguments of these types.

    Raises
    ------
    numba.core.errors.NumbaError
        If it does not compile.
    """
    function.compile(tuple(each if isinstance(each, types.Type) else typeof(each) for each in arguments))
    return function.nopython_signatures[-1].return_type


@cache
def converted(function: Any, wanted: Any) -> Any:
    """The function ``(self, state)`` with what it returns as another type, to which that can be converted."""

    @intrinsic
    def cast(context, value):
        def code(target, builder, signature, args):
            return target.cast(builder, args[0], signature.args[0], wanted)

        return wanted(value), code

    @walker
    def convert(self, state):
        return cast(function(self, state))

    return convert


def list_type(found: Any, entry: Any) -> Any:
    """What a tuple or a one-dimensional array becomes whose entries are of a type; None if it cannot."""
    if isinstance(found, TUPLES):
        wanted = types.UniTuple(entry, len(found))
        return wanted if len(found) and is_safe(found, wanted) else None
    return found if isinstance(found, types.Array) and found.ndim == 1 and found.dtype == entry else None


@intrinsic
def put(context, room, index, state):
    """Lay a state into a room, at an index."""

    def code(target, builder, signature, args):
        place, kind = _place(target, builder, signature.args[0], args, signature.args[2])
        builder.store(target.data_model_manager[kind].as_data(builder, args[2]), place)
        return target.get_dummy_value()

    return types.void(room, index, state), code


@intrinsic
def get(context, room, index, like):
    """The state at an index of a room, of the type of another."""

    def code(target, builder, signature, args):
        place, kind = _place(target, builder, signature.args[0], args, signature.return_type)
        return target.data_model_manager[kind].from_data(builder, builder.load(place))

    return like(room, index, like), code


def _place(target: Any, builder: Any, room: Any, args: Any, kind: Any) -> tuple[Any, Any]:
    data = target.data_model_manager[kind].get_data_type().as_pointer()
    start = builder.bitcast(make_array(room)(target, builder, args[0]).data, data)
    return builder.gep(start, [args[1]]), kind


@walker
def read(room, index, like):
    """A state of a room, for messages."""
    return get(room, index, like)


def is_safe(found: Any, wanted: Any) -> bool:
    """Whether every value of a type is one of another type."""
    rule = cpu_target.typing_context.can_convert(found, wanted)
    return rule is not None and rule <= Conversion.safe

"""States of compiled trees: numbers or tuples of them, kept side by side in plain memory; and users' functions.

A state is a 64-bit number, or a tuple of such. Numba has no arrays of tuples: a *room* is an array of 64-bit words in
which `put` and `get` lay and read them, ``words(state)`` each.
"""

from typing import Any

from numba import njit, typeof
from numba import types as types
from numba.core.errors import NumbaError as NumbaError
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


def members(kind: Any) -> tuple[Any, Any] | None:
    """Of a tuple or a one-dimensional array: the type of its members, and how many, None where that is open; None for
    other types and for tuples of several types."""
    if isinstance(kind, types.UniTuple):
        return kind.dtype, kind.count
    if isinstance(kind, types.Array) and kind.ndim == 1:
        return kind.dtype, None
    return None


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

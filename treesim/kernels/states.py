"""States of compiled trees: numbers or tuples of them, kept side by side in plain memory; and users' functions.

A state is a 64-bit number, or a tuple of such. Numba has no arrays of tuples: a *room* is an array of 64-bit words in
which `put` and `get` lay and read them, ``words(state)`` each.
"""

import contextlib
from functools import cache, partial
from types import FunctionType
from typing import Any

from numba import njit, typeof
from numba import types as types
from numba.core.errors import NumbaError as NumbaError
from numba.core.registry import cpu_target
from numba.core.typeconv.castgraph import Conversion
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from treesim.kernels import OPTIONS, kernel, walker
from treesim.kernels.machine_code import Kept, kept

# Functions that only kernels call: no entry for Python, a tenth of what compiling them costs.
WITHIN: dict[str, Any] = {**OPTIONS, "no_cpython_wrapper": True}

# Of a kernel that holds a user's functions, machine code for so many classes of trees is kept; then it starts anew.
MOST_KEPT = 128

SCALARS = (types.int64, types.float64)
TUPLES: Any = (types.UniTuple, types.Tuple)


class _KeptByCode(Kept):
    """Machine code of a kernel that holds a user's functions, known by a digest of these.

    Numba tells functions in a closure apart by the process that made them, and would never find them again.
    """

    def __init__(self, function: Any, code: str) -> None:
        super().__init__(function)
        self._code = code

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        return signature, codegen.magic_tuple(), self._code

    def _load_overload(self, signature: Any, target: Any) -> Any:
        # A function of the user's that others call may come from a file that was run.
        with contextlib.suppress(ImportError):
            return super()._load_overload(signature, target)

    def _save_overload(self, signature: Any, data: Any) -> None:
        if len(self._cache_file._load_index()) >= MOST_KEPT:
            self.flush()
        super()._save_overload(signature, data)


def kept_by_code(dispatcher: Any, code: str | None) -> Any:
    """The same kernel, its machine code kept on disk under a digest of the user's functions, if there is one."""
    return dispatcher if code is None else kept(dispatcher, partial(_KeptByCode, code=code))


def users(function: Any) -> Any:
    """A user's function, compiled: what is an error in Python is one there, such as an index that leaves an array."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    # Kept code is loaded with the modules that it comes from, and files that were run are none.
    copy.__module__ = __name__
    # Options that are not said numba takes from the kernel that calls.
    return njit(**{**WITHIN, "boundscheck": True, "error_model": "python"})(copy)


def state_type(state: Any) -> Any:
    """Numba's type of a state; None if it is no number, nor a tuple of numbers."""
    try:
        kind = typeof(state)
    except ValueError:
        return None
    parts = kind.types if isinstance(kind, TUPLES) else (kind,)
    return kind if parts and all(each in SCALARS for each in parts) else None


def words(state: Any) -> int:
    """64-bit words that a state takes."""
    return len(state) if isinstance(state, tuple) else 1


def returns(function: Any, fields_of: Any, fields: Any, state: Any, code: str | None) -> Any:
    """What a user's function of ``(self, state)`` returns, given the fields and the type of the state.

    Raises
    ------
    numba.core.errors.NumbaError
        If it does not compile.
    """

    @walker
    def ask(fields, state):
        return function(fields_of(*fields), state)

    kept_by_code(ask, code).compile((typeof(fields), state))
    return ask.nopython_signatures[-1].return_type


@cache
def converted(function: Any, wanted: Any) -> Any:
    """The function ``(self, state)`` with what it returns as another type, to which that can be converted."""

    @intrinsic
    def cast(context, value):
        def code(target, builder, signature, args):
            return target.cast(builder, args[0], signature.args[0], wanted)

        return wanted(value), code

    @njit(**WITHIN)
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


@kernel
def read(room, index, like):
    """A state of a room, for messages."""
    return get(room, index, like)


def is_safe(found: Any, wanted: Any) -> bool:
    """Whether every value of a type is one of another type."""
    rule = cpu_target.typing_context.can_convert(found, wanted)
    return rule is not None and rule <= Conversion.safe

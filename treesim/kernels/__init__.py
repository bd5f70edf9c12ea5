"""Numba kernels: plain arrays in, plain arrays out, no objects, no options, no errors raised.

All walk a *layer*, the edges between two neighbouring levels, given by three arrays with local numbering:
``ptr [n_parents + 1]`` (edges of parent ``v`` are ``ptr[v] - ptr[0] .. ptr[v + 1] - ptr[0]``),
``prob [n_edges]`` and ``child [n_edges]``, empty where edge ``k`` leads to child ``k``: a tree.

Arrays that belong together come as one tuple, unpacked in a kernel's first lines: a layer is ``(ptr, prob, child)``, a
`treesim.scaled.Scaled` array its ``numbers``, ``(mantissa, exponent)``. Plain tuples, where a kernel is called once a
level: numba reads their types as fast as those of the arrays, and a NamedTuple's a microsecond slower. The populations
of SMC, whose steps take longer, are NamedTuples.

An array is never assigned to a slice (``a[:] = b``): with it numba compiles what formats the error of shapes that do
not fit, more than a second's work.
"""

import sys
from importlib.util import find_spec
from typing import Any

from numba import njit
from numba.core import event

from treesim.kernels.machine_code import kept

# No kernel is called back from C: an entry for that would be a tenth of what compiling costs.
OPTIONS: dict[str, Any] = {"nogil": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
walker: Any = njit(**OPTIONS)


class _BeforeCompiling(event.Listener):
    """Has numba load its functions of arrays without scipy's linear algebra, which takes longer than a small kernel.

    To find out whether there is BLAS numba loads it; where something multiplies matrices it does so again.
    """

    def on_start(self, _: Any) -> None:
        """Load them, if this is the first that is compiled."""
        if "numba.np.arraymath" in sys.modules:
            return
        from numba.np import linalg

        def ask() -> None:
            if find_spec("scipy") is None:
                raise ImportError

        loads, linalg.ensure_blas = linalg.ensure_blas, ask
        try:
            from numba.np import arraymath  # noqa: F401
        finally:
            linalg.ensure_blas = loads

    def on_end(self, _: Any) -> None:
        """Nothing is to be done."""


event.register("numba:compile", _BeforeCompiling())


def kernel(function: Any) -> Any:
    """A function, compiled when it is first called, whose machine code is kept on disk."""
    return kept(walker(function))

"""The memory budget: refuse by a clear error what would not fit, before allocating it."""

import os

from treesim.errors import MemoryBudgetError

GIB = 2**30
DEFAULT_BUDGET_GIB = 8.0


def memory_budget() -> int:
    """Bytes one object may take: ``TREESIM_MEMORY_GIB`` from the environment, or 8 GiB.

    Raises
    ------
    MemoryBudgetError
        If the environment variable is not a positive number.
    """
    text = os.environ.get("TREESIM_MEMORY_GIB", str(DEFAULT_BUDGET_GIB))
    try:
        gib = float(text)
    except ValueError:
        gib = -1.0
    if not 0 < gib < float("inf"):
        raise MemoryBudgetError(f"TREESIM_MEMORY_GIB is {text!r}, expected a positive number of GiB")
    return int(gib * GIB)


def require_memory(n_bytes: float, what: str) -> None:
    """Raise `MemoryBudgetError` if `what` needs more bytes than the budget allows."""
    budget = memory_budget()
    if n_bytes > budget:
        raise MemoryBudgetError(
            f"{what} needs {n_bytes / GIB:.3g} GiB, more than the budget of {budget / GIB:.3g} GiB; "
            "choose a smaller one or raise TREESIM_MEMORY_GIB"
        )

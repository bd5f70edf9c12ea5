"""The least whole number that is enough."""

from __future__ import annotations

from collections.abc import Callable


def first(is_enough: Callable[[int], bool], start: int = 1, most: int = 2**62) -> int | None:
    """The least n from `start` on that is enough, where every larger one is, too; None if not even `most` is.

    By doubling the distance from `start`, then by bisection: about 2 log n questions.

    Examples
    --------
    >>> first(lambda n: n * n >= 1000), first(lambda n: n >= 7, start=7), first(lambda n: n > 100, most=100)
    (32, 7, None)
    """
    low, high = start - 1, start
    while not is_enough(high):
        if high >= most:
            return None
        low, high = high, min(start + 2 * (high - start) + 1, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high

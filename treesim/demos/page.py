"""What the pages of demos share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from treesim.figures.formulas import below, fenced, formula, join, over
from treesim.figures.web_page import Axis

# Shows how far the work is: a function of an iterable that yields its items.
Track = Callable[..., Any]

DISTANCE = Axis("total variation to the target", low=0.0, high=1.0)

REFERENCE = below("π", "ref")
# The target, and the distance of a sampler's law P to it.
TARGET = formula("π̃(x) = ", over(join(REFERENCE, "(x) φ(x)"), "Z"))
TOTAL_VARIATION = formula("TV(P, π̃) = ", over("1", "2"), below("∑", "x"), "| P(x) − π̃(x) |")
# The largest distance of one guided particle.
SHARP_BOUND = formula("TV ≤ tanh", fenced(over("(T − 1) log(1 + ε)", "2")), " ≤ 2 T ε")

"""What the pages of demos share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from treesim.figures.web_page import Axis

# Shows how far the work is: a function of an iterable that yields its items.
Track = Callable[..., Any]

DISTANCE = Axis("total variation to the target", low=0.0, high=1.0)

"""A result beyond the paper: its statement, the checks that decide it, its curves."""

from __future__ import annotations

from dataclasses import dataclass

from treesim.studies.experiment import Experiment
from treesim.theory.verification import Check

ROUNDING = 1e-9


@dataclass(frozen=True)
class Discovery:
    """A result.

    Attributes
    ----------
    name : str
        Also of its page and figure.
    statement : str
        One sentence.
    checks : list of Check
    experiment : Experiment
        What is drawn, and the answer in numbers.
    """

    name: str
    statement: str
    checks: list[Check]
    experiment: Experiment

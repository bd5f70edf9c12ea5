"""The battery of the score card: small instances, each made for one difficulty that samplers have.

All are trees of few leaves, so that distances are exact where a sampler has a law, and estimates narrow where it has
none. The battery has a version: cards of different versions are not to be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from treesim.errors import SpecError
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.instances.merging import unroll

VERSION = 1
# Prefixes drawn, and values asked, for one output: this many for every step.
BUDGETS = (2, 8, 32, 128)


@dataclass(frozen=True)
class Axis:
    """An experiment of the battery.

    Attributes
    ----------
    name : str
    question : str
    family : str
    parameters : mapping
        Of `treesim.family`.
    """

    name: str
    question: str
    family: str
    parameters: Mapping[str, Any]


BATTERY = (
    Axis("horizon", "do errors of every step stay small over many?", "dirichlet",
         {"horizon": 10, "concentration": 0.5, "perturbation": "random-sign", "epsilon": 0.1, "seed": 1}),
    Axis("sparse reward", "is a reward found that one leaf in twenty has?", "uniform",
         {"horizon": 7, "reward": "sparse:share=0.05,floor=0.001", "perturbation": "log-normal:sigma=0.3", "seed": 1}),
    Axis("hidden prefix", "is a good prefix found of which the value tells too late?", "hidden-prefix", {"horizon": 7}),
    Axis("delayed reward", "is the last step's surprise corrected?", "delayed-reward", {"horizon": 8, "ratio": 4.0}),
    Axis("error amplification", "do small errors of one direction add up?", "error-amplification",
         {"horizon": 7, "ratio": 1.3}),
    Axis("reward hacking", "is a rare, very high reward given its share, and no more?", "reward-hacking",
         {"horizon": 8}),
    Axis("extinction", "does anything survive where every step may be the last?", "extinction", {"horizon": 10}),
    Axis("heavy-tailed noise", "are values tolerated that are sometimes far off?", "dirichlet",
         {"horizon": 6, "perturbation": "student-t:sigma=0.3,df=3", "seed": 2}),
    Axis("correlated noise", "are errors tolerated that neighbours share?", "dirichlet",
         {"horizon": 6, "perturbation": "correlated:sigma=0.3,correlation=0.9", "seed": 3}),
    Axis("aligned error", "is the worst direction of errors corrected?", "sharpest-guidance",
         {"horizon": 8, "epsilon": 0.2}),
    Axis("unknown root", "is a first step weighed of which only later weights tell?", "unknown-root",
         {"horizon": 8, "epsilon": 0.15, "share": 0.1}),
    Axis("long constraint", "is a constraint kept that some beginnings make hard to keep?", "masking",
         {"horizon": 20, "topics": 4}),
    Axis("language model", "does it hold on texts of a language model that it judges itself?", "movie-reviews",
         {"horizon": 3, "strength": 8.0}),
)  # fmt: skip


def axis(name: str) -> Axis:
    """The axis of a name.

    Raises
    ------
    SpecError
        If there is none.

    Examples
    --------
    >>> axis("extinction").family
    'extinction'
    """
    found = {each.name: each for each in BATTERY}
    if name not in found:
        raise SpecError(f"unknown axis {name!r}, expected one of: {', '.join(found)}")
    return found[name]


@cache
def field(name: str) -> Instance:
    """What is played on: the instance of an axis, as a tree.

    Examples
    --------
    >>> {name: field(name).graph.n_leaves for name in ("extinction", "language model")}
    {'extinction': 11, 'language model': 64}
    """
    asked = axis(name)
    return unroll(family(asked.family, **asked.parameters))

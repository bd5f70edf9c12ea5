"""A score card: a fixed battery of small experiments, one number each, that says where a sampler fails.

A sampler plays every axis at several budgets: of the parameter that makes it larger it gets the largest that the budget
pays for. So samplers are compared at equal cost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from treesim.arrays import Brief
from treesim.empirical.estimation import estimate
from treesim.empirical.measure import measure
from treesim.errors import NoExactLaw, SpecError, TreesimError
from treesim.instances.instance import Instance
from treesim.laws.density_ratio import Effort
from treesim.laws.tv import TV
from treesim.runtime.journal import Journal
from treesim.runtime.search import first
from treesim.runtime.user_code import digest
from treesim.samplers import Cost, Sampler, UserSampler
from treesim.samplers.enumeration import Enumeration
from treesim.samplers.open_parameters import OpenSampler, open_sampler
from treesim.samplers.registry import SamplerLike
from treesim.samplers.user import LOOSE, measured_cost
from treesim.spec import spell
from treesim.studies.battery import BATTERY, BUDGETS, VERSION, field
from treesim.studies.scaling import varying
from treesim.studies.spread import Failed, Finished, Track, spread

# What makes a sampler larger that works without being told; of others the first whole number that is open.
ENOUGH = "mh"
# The largest size; and of samplers in plain Python, in units of the budget a step: slow ones would take forever.
LARGEST, LARGEST_PLAIN = 1 << 20, 2
# Sizes of which some are none, such as multiples of something, are no further apart than this.
GAP = 8
# How near bounds on a TV come that can only be enclosed.
WIDTH = 1e-3
# Of samplers in plain Python: runs that say what one costs, a few where its paths are longer than that together; runs
# that say how many there are, and how many are enumerated; steps of an estimate, and runs at the least for it.
COST_RUNS, FEW, COSTLY, PROBES, ENUMERATED, WORK, LEAST_RUNS = 32, 4, 100, 8, 4_000, 200_000, 200
# Of others the runs of an estimate.
RUNS = 20_000


@dataclass(frozen=True)
class Mark:
    """How a sampler does on an axis, at a budget.

    Attributes
    ----------
    budget : int
        Prefixes that it may draw, and values that it may ask for, for every step.
    sampler : str
        Its spec, at the largest size that the budget pays for; empty where there is none.
    tv : TV or None
        To the target; None where it cannot play.
    reward : float or None
        Expected reward over that of the target.
    cost : Cost or None
        Of one output.
    why : str
        Why it cannot play.
    """

    budget: int
    sampler: str
    tv: TV | None
    reward: float | None
    cost: Cost | None
    why: str = ""

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it."""
        told: dict[str, Any] = {"budget": self.budget, "sampler": self.sampler}
        if self.tv is None or self.cost is None:
            return told | {"why": self.why}
        tv = {key: value for key, value in self.tv.document().items() if value is not None}
        cost = {"reference_draws": self.cost.reference_draws, "value_queries": self.cost.value_queries}
        return told | {"tv": tv, "reward": self.reward, "cost": cost}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Mark:
        """The mark of a document."""
        if "why" in document:
            return cls(document["budget"], document["sampler"], None, None, None, document["why"])
        tv, cost = document["tv"], document["cost"]
        return cls(
            document["budget"],
            document["sampler"],
            TV(tv["lo"], tv["hi"], tv["kind"], tv.get("level"), tv.get("wanted_budget")),
            document["reward"],
            Cost(cost["reference_draws"], cost["value_queries"]),
        )


@dataclass(frozen=True, eq=False, repr=False)
class ScoreCard(Brief):
    """All marks of a sampler.

    Attributes
    ----------
    sampler : str
    marks : dict of str to tuple of Mark
        By axis, one for each of `treesim.studies.battery.BUDGETS`.

    Examples
    --------
    >>> from treesim.studies.roster import shipped
    >>> card = shipped()["sp-gsmc"]
    >>> round(card.total, 3), round(card.score("unknown root"), 3)
    (0.865, 0.897)
    """

    sampler: str
    marks: dict[str, tuple[Mark, ...]]

    def score(self, name: str) -> float:
        """1 - TV on an axis, the mean over budgets; a budget at which it cannot play counts as TV 1."""
        return 0.5 * sum(self.score_range(name))

    def score_range(self, name: str) -> tuple[float, float]:
        """The least and the largest that the score may be: TVs may be intervals."""
        marks = self.marks[name]
        ends = [(1.0, 1.0) if mark.tv is None else (mark.tv.lo, mark.tv.hi) for mark in marks]
        return 1.0 - sum(hi for _, hi in ends) / len(ends), 1.0 - sum(lo for lo, _ in ends) / len(ends)

    @property
    def total(self) -> float:
        """The mean score of all axes."""
        return sum(map(self.score, self.marks)) / len(self.marks)

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it."""
        marks = {name: [mark.document() for mark in marks] for name, marks in self.marks.items()}
        return {"sampler": self.sampler, "battery": VERSION, "marks": marks}

    @classmethod
    def of(cls, document: dict[str, Any]) -> ScoreCard:
        """The card of a document."""
        marks = {name: tuple(map(Mark.of, marks)) for name, marks in document["marks"].items()}
        return cls(document["sampler"], marks)


@dataclass(frozen=True)
class Game:
    """A sampler on an axis, at all budgets.

    Attributes
    ----------
    like : whatever `treesim.sampler` takes
    vary : str or None
        The parameter that grows.
    axis : str
    seed : int

    Examples
    --------
    >>> game = Game("sp-gsmc", None, "unknown root", 0)
    >>> [mark.sampler for mark in play(game)]
    ['sp-gsmc', 'sp-gsmc:mh=7', 'sp-gsmc:mh=28', 'sp-gsmc:mh=113']
    """

    like: SamplerLike
    vary: str | None
    axis: str
    seed: int


def score(
    like: SamplerLike,
    vary: str | None = None,
    seed: int = 0,
    jobs: int = 1,
    dask: str | None = None,
    journal: Path | None = None,
    track: Track = iter,
) -> ScoreCard:
    """The score card of a sampler.

    Parameters
    ----------
    like : whatever `treesim.sampler` takes
        Its parameters that are open may grow with the budget.
    vary : str, optional
        The parameter that grows; left out, the first that must be given, else ``mh``, else the first whole number that
        may grow; a sampler without one is the same at every budget.
    seed : int
        Of runs, where there is no exact law.
    jobs : int
        Processes; a class or object of yours is known to others than this one only by its name in a spec.
    dask : str, optional
        The address of a running cluster that does the work instead.
    journal : Path, optional
        Keeps what is found, by battery and code: work that was interrupted goes on there.
    track : callable (iterable) -> iterable, optional
        Goes through the axes as they are finished, and may show how far it is.

    Raises
    ------
    TreesimError
        If it is no sampler, or fails.

    Examples
    --------
    >>> card = score("best-of-n")
    >>> [f"{mark.sampler} {mark.tv:.2f}" for mark in card.marks["reward hacking"]]
    ['best-of-n:n=2 0.00', 'best-of-n:n=8 0.02', 'best-of-n:n=32 0.11', 'best-of-n:n=128 0.39']
    """
    player = open_sampler(like)
    size = _size(like, vary)
    # What lacks a parameter is told at once; what fails on an axis has that as its mark.
    player.plain() if size is None else player.having(size, _smallest(player, size))
    kept = Journal(journal, f"score cards, battery {VERSION}")
    about = {"sampler": player.text, "vary": vary, "seed": seed, "code": digest([player.author])}
    keys = {each.name: about | {"axis": each.name} for each in BATTERY}
    games = [Game(like, vary, name, seed) for name in keys if not kept.knows(keys[name])]
    for game, marks in track(Finished(spread(play, games, jobs, dask), len(games))):
        if isinstance(marks, Failed):
            raise TreesimError(f"{player.text} on {game.axis}: {marks.why}")
        kept.keep(keys[game.axis], {"marks": [mark.document() for mark in marks]})
    found = {name: kept.recall(key, dict)["marks"] for name, key in keys.items()}
    return ScoreCard(player.text, {name: tuple(map(Mark.of, marks)) for name, marks in found.items()})


def play(game: Game) -> list[Mark]:
    """The marks of a sampler on an axis, one for each budget.

    Examples
    --------
    >>> [(mark.budget, round(mark.tv.mid, 4)) for mark in play(Game("base", None, "unknown root", 0))]
    [(2, 0.3401), (8, 0.3401), (32, 0.3401), (128, 0.3401)]
    """
    player, instance = open_sampler(game.like), field(game.axis)
    size = _size(game.like, game.vary)
    marks: list[Mark] = []
    least = 1 if size is None else _smallest(player, size)
    for budget in BUDGETS:
        try:
            kind, least = _largest(player, size, instance, budget, least)
            text = "" if kind is None else player.text if size is None else spell(kind)
            if kind is None:
                marks.append(Mark(budget, "", None, None, None, "one output costs more"))
            elif marks and text == marks[-1].sampler:
                marks.append(replace(marks[-1], budget=budget))
            else:
                tv, reward, cost = _measured(kind, instance, least if size else 1, game.seed)
                target = instance.target.expected(instance.reward)
                marks.append(Mark(budget, text, tv, None if reward is None else reward / target, cost))
        except TreesimError as error:
            marks.append(Mark(budget, "", None, None, None, str(error)))
    return marks


def _size(like: SamplerLike, vary: str | None) -> str | None:
    """The parameter that makes a sampler larger, if there is one."""
    if vary is not None:
        return varying(like, vary)
    player = open_sampler(like)
    whole = [name for name in player.open if player.types[name] == "int"]
    needed = [name for name in whole if name in player.needed]
    growing = (name for name in sorted(whole, key=ENOUGH.__ne__) if _takes(player, name))
    return needed[0] if needed else next(growing, None)


def _takes(player: OpenSampler, name: str, value: int = 2) -> bool:
    """Whether a parameter may have a value, beside what is given."""
    try:
        kind = player.having(name, value)
        if isinstance(kind, UserSampler):
            kind.built()
    except SpecError:
        return False
    return True


def _smallest(player: OpenSampler, size: str) -> int:
    """The least size; one, where no small number is: that tells what is wrong."""
    return next((n for n in range(1, GAP + 1) if _takes(player, size, n)), 1)


def _near(player: OpenSampler, size: str, n: int) -> int:
    """The next size downwards that there is, such as a multiple of something; the number itself where none is near."""
    return next((m for m in range(n, max(0, n - GAP), -1) if _takes(player, size, m)), n)


def _largest(
    player: OpenSampler, size: str | None, instance: Instance, budget: int, least: int
) -> tuple[Sampler | None, int]:
    """The sampler at the largest size that the budget pays for, and that size; None if the smallest costs more."""
    paid = float(budget * instance.horizon)
    if size is None:
        kind = player.plain()
        return kind if _price(_cost(kind, instance, 1)) <= paid else None, least
    most = LARGEST_PLAIN * budget if isinstance(player.having(size, least), UserSampler) else LARGEST

    def kind_of(n: int) -> Sampler:
        return player.having(size, _near(player, size, n))

    beyond = first(lambda n: _price(_cost(kind_of(n), instance, n)) > paid, least, most)
    largest = most if beyond is None else beyond - 1
    if largest < least:
        return None, least
    largest = _near(player, size, largest)
    return player.having(size, largest), largest


def _price(cost: Cost) -> float:
    """What a budget counts: prefixes drawn or values asked, whichever are more."""
    return max(cost.reference_draws, cost.value_queries)


def _cost(kind: Sampler, instance: Instance, size: int) -> Cost:
    """Of one output; of a sampler in plain Python the mean of some."""
    if not isinstance(kind, UserSampler):
        return kind.cost(instance)
    return measured_cost(instance, kind, FEW if size * instance.horizon > COSTLY else COST_RUNS)


def _measured(kind: Sampler, instance: Instance, size: int, seed: int) -> tuple[TV, float | None, Cost]:
    """TV to the target, expected reward, and cost."""
    if not isinstance(kind, UserSampler):
        found = measure(kind, instance, Effort(WIDTH), RUNS, seed)
        return found.tv, found.expected_reward, found.cost
    known = _enumerated(kind, instance)
    if known is not None:
        return known.law.tv(instance.target), known.law.expected(instance.reward), known.cost.mean
    cost = _cost(kind, instance, size)
    # A path a unit of size at the least: some draw less, and work all the same.
    work = max(_price(cost), size * instance.horizon)
    guess = estimate(kind, instance, min(RUNS, max(LEAST_RUNS, int(WORK / work))), seed)
    return guess.tv, guess.expected_reward, cost


def _enumerated(kind: UserSampler, instance: Instance) -> Enumeration | None:
    """All runs, if they are few."""
    try:
        if kind.foresee(instance, PROBES) > ENUMERATED:
            return None
        found = kind.enumerate(instance, ENUMERATED)
    except NoExactLaw:
        return None
    return found if found.missing <= LOOSE else None

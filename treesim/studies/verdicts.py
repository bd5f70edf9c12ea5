"""What a score card says, in lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from treesim.laws.tv import TV
from treesim.studies.battery import BUDGETS
from treesim.studies.score_card import Mark, ScoreCard
from treesim.tables import distance, number

# TV at which an axis is failed; within which it is solved; and the reward, relative to the target's, of one who aims at
# the reward: estimates of it may be off by a tenth.
FAILED, SOLVED, GREEDY = 0.25, 0.05, 1.2


def failure(name: str, marks: tuple[Mark, ...]) -> str | None:
    """How a sampler fails on an axis; None where it does not, or where that is not known.

    Examples
    --------
    >>> from treesim.studies.roster import shipped
    >>> failure("reward hacking", shipped()["best-of-n"].marks["reward hacking"])
    'gets worse on reward hacking with compute: TV 1.514e-05 at 2 a step, 0.3863 at 128'
    """
    played = [(mark, mark.tv) for mark in marks if mark.tv is not None]
    if not played:
        return f"cannot play {name}: {marks[-1].why}"
    last, at = played[-1][1], played[-1][0].budget
    best, least = min(((tv, mark.budget) for mark, tv in played), key=lambda each: each[0].mid)
    if last.lo <= FAILED:
        return None
    if best.hi < last.lo and best.hi <= FAILED:
        return f"gets worse on {name} with compute: TV {_told(best)} at {least} a step, {_told(last)} at {at}"
    return f"fails on {name}: TV {_told(best)} at any budget"


def solved(card: ScoreCard) -> list[str]:
    """The axes on which the TV at the largest budget is at most 0.05.

    Examples
    --------
    >>> from treesim.studies.roster import shipped
    >>> solved(shipped()["base"])
    ['error amplification', 'reward hacking']
    """
    last = {name: marks[-1].tv for name, marks in card.marks.items()}
    return [name for name, tv in last.items() if tv is not None and tv.hi <= SOLVED]


def failures(card: ScoreCard) -> dict[str, str]:
    """The axes on which a sampler fails, and how.

    Examples
    --------
    >>> from treesim.studies.roster import shipped
    >>> list(failures(shipped()["best-of-n"]))[:3]
    ['horizon', 'reward hacking', 'extinction']
    """
    told = {name: failure(name, marks) for name, marks in card.marks.items()}
    return {name: text for name, text in told.items() if text is not None}


def verdicts(card: ScoreCard, rivals: Mapping[str, ScoreCard]) -> Iterator[str]:
    """The lines below a card.

    Parameters
    ----------
    card : ScoreCard
    rivals : mapping of str to ScoreCard
        With whom it is compared.

    Examples
    --------
    >>> from treesim.studies.roster import shipped
    >>> list(verdicts(shipped()["base"], {}))[0]
    'within TV 0.05 of the target on 2 of 13 axes at 128 a step'
    """
    yield f"within TV {SOLVED} of the target on {len(solved(card))} of {len(card.marks)} axes at {BUDGETS[-1]} a step"
    yield from failures(card).values()
    rewards = [marks[-1].reward for marks in card.marks.values()]
    above = [reward for reward in rewards if reward is not None and reward > GREEDY]
    if above:
        most = f"{number(max(above))} times at the most"
        yield f"returns more reward than the target on {len(above)} axes, {most}: it aims at the reward"
    others = [rival.total for text, rival in rivals.items() if text != card.sampler]
    if others:
        place = 1 + sum(other > card.total for other in others)
        yield f"mean score {card.total:.3f}: place {place} of {len(others) + 1}"


def _told(tv: TV) -> str:
    return distance(tv.lo, tv.hi)

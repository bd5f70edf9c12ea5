"""The samplers whose score cards come with the package."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from treesim.laws.tv import TV
from treesim.samplers import Cost
from treesim.studies.battery import BATTERY, BUDGETS, VERSION
from treesim.studies.score_card import Mark, ScoreCard

# Every sampler that treesim has and every one of its zoo, at what is open: the score card lets that grow.
ROSTER = (
    "base",
    "best-of-n",
    "soft-best-of-n",
    "importance",
    "race",
    "rejection",
    "beam",
    "sp-gsmc",
    "sp-gsmc:pool=4",
    "exact-guided",
    "smc",
    "smc:resampling=systematic,threshold=0.5",
    "smc:proposal=optimal",
    "particle-gibbs:particles=4",
    "vgb",
    "vgb:steps=0,stop=leaf",
    "vgb:steps=0,stop=leaf,momentum=true",
    "random-suffix",
    "asap",
    "awrs",
    "block-best-of-n",
    "cars",
    "dvts",
    "entropic-particle-filter",
    "inference-time-pessimism",
    "lookahead-beam",
    "lookahead-smc",
    "majority",
    "power-sampling",
    "puct",
    "rebase",
    "resampled-smc",
    "smc-without-replacement",
    "speculative-best-of-n",
)


@cache
def shipped() -> dict[str, ScoreCard]:
    """The cards that come with the package, by sampler; empty where they are of another battery.

    Examples
    --------
    >>> round(shipped()["sp-gsmc"].score("extinction"), 6)
    1.0
    """
    document = json.loads(files("treesim.studies").joinpath("score_cards.json").read_text(encoding="utf-8"))
    return (
        {} if document["battery"] != VERSION else {text: _card(text, rows) for text, rows in document["cards"].items()}
    )


def packed(cards: Iterable[ScoreCard]) -> str:
    """The text of the file that `shipped` reads: of each mark a row of texts and numbers, numbers to 12 digits."""
    lines = [f"{json.dumps(card.sampler)}:{json.dumps(_rows(card), separators=(',', ':'))}" for card in cards]
    body = ",\n".join(lines)
    return f'{{"battery":{VERSION},"cards":{{\n{body}\n}}}}\n'


def _rows(card: ScoreCard) -> list[list[list[Any]]]:
    """By axis and budget."""
    return [[_row(mark) for mark in card.marks[axis.name]] for axis in BATTERY]


def _row(mark: Mark) -> list[Any]:
    if mark.tv is None or mark.cost is None:
        return [mark.sampler, mark.why]
    numbers = mark.tv.lo, mark.tv.hi, mark.tv.level, mark.reward, mark.cost.reference_draws, mark.cost.value_queries
    return [mark.sampler, mark.tv.kind, *(None if each is None else float(f"{each:.12g}") for each in numbers)]


def _card(text: str, rows: list[list[list[Any]]]) -> ScoreCard:
    marks = {
        axis.name: tuple(_mark(budget, row) for budget, row in zip(BUDGETS, own, strict=True))
        for axis, own in zip(BATTERY, rows, strict=True)
    }
    return ScoreCard(text, marks)


def _mark(budget: int, row: list[Any]) -> Mark:
    if len(row) == 2:
        return Mark(budget, row[0], None, None, None, row[1])
    text, kind, lo, hi, level, reward, draws, values = row
    return Mark(budget, text, TV(lo, hi, kind, level), reward, Cost(draws, values))

"""Compute the score cards that come with the package: ``python docs/cards.py [JOBS]``, about half an hour."""

import sys
from pathlib import Path

from treesim.studies.roster import ROSTER, packed
from treesim.studies.score_card import score

SHIPPED = Path(__file__).parent.parent / "treesim" / "studies" / "score_cards.json"
# Kept beside the file, so that work that was interrupted goes on.
JOURNAL = Path("score-cards.jsonl")


def main(jobs: int) -> None:
    """Write the file."""
    cards = []
    for spec in ROSTER:
        cards.append(score(spec, jobs=jobs, journal=JOURNAL))
        print(spec, file=sys.stderr)
    SHIPPED.write_text(packed(cards), encoding="utf-8")
    JOURNAL.unlink()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)

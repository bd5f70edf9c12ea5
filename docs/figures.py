"""Draw the figures of the pages on hard instances and discoveries: python docs/figures.py"""

from pathlib import Path
from typing import Any

from treesim.demos import blowup
from treesim.figures.score_card import score_figure
from treesim.figures.studies import experiment_figure, rivals_figure
from treesim.figures.style import save_figure
from treesim.hard_instances import over_optimisation
from treesim.hard_instances.discoveries import DISCOVERIES
from treesim.studies.roster import shipped

FOLDER = Path(__file__).parent / "hard-instances"
GUIDED, BACKTRACKING = "sp-gsmc", "vgb:steps=0,stop=first-leaf"
FIGURES: dict[str, tuple[dict[str, str], list[int], dict[str, Any]]] = {
    "sharpest-guidance": (
        {"guided, one particle": GUIDED, "SMC, 16 particles": "smc:particles=16", "256 particles": "smc:particles=256"},
        [4, 8, 12, 16, 24, 32],
        {"epsilon": 0.1},
    ),
    "unknown-root": (
        {
            "guided, one particle": GUIDED,
            "Metropolis-Hastings, H = 8": "sp-gsmc:mh=8",
            "Chebyshev selection, N = 8": "sp-gsmc:chebyshev=8",
        },
        [2, 4, 6, 8, 10, 12],
        {"epsilon": 0.1, "share": 0.25},
    ),
    "delayed-reward": (
        {"guided, one particle": GUIDED, "importance, N = 16": "importance:n=16", "N = 256": "importance:n=256"},
        [4, 8, 16, 32, 64],
        {"ratio": 4.0},
    ),
    "hidden-prefix": (
        {
            "guided, one particle": GUIDED,
            "SMC, 256 particles": "smc:particles=256",
            "importance, N = 256": "importance:n=256",
        },
        [6, 9, 12, 15, 18, 21],
        {"form": "trellis"},
    ),
    "error-amplification": (
        {"guided, one particle": GUIDED, "backtracking, first leaf": BACKTRACKING},
        [4, 6, 8, 10, 12, 14],
        {"ratio": 1.2, "form": "tree"},
    ),
    "perfect-value": (
        {
            "SMC, 16 particles": "smc:particles=16",
            "SMC, 64 particles": "smc:particles=64",
            "guided, one particle": GUIDED,
        },
        [10, 25, 50, 100, 200, 300],
        {"ratio": 3.0, "form": "trellis"},
    ),
    "reward-hacking": (
        {"best-of-N, N = 256": "best-of-n:n=256", "importance, N = 256": "importance:n=256"},
        [2, 4, 6, 8, 10, 12, 16],
        {"ratio": 2.0},
    ),
}


def main() -> None:
    for name, (specs, horizons, parameters) in FIGURES.items():
        save_figure(rivals_figure(name, specs, horizons, **parameters), FOLDER / f"{name}.png")
    rows = [row for horizon in (2, 4, 6, 8, 10) for row in blowup.run([horizon], 0.1, 0)]
    save_figure(blowup.figure(rows, 0.1), FOLDER.parent / "blowup.png")
    save_figure(over_optimisation.figure(over_optimisation.run()), FOLDER.parent / "over-optimisation.png")
    cards = shipped()
    save_figure(score_figure([cards["sp-gsmc"], cards["best-of-n"]], cards), FOLDER.parent / "score-card.png")
    for name, make in DISCOVERIES.items():
        save_figure(experiment_figure(make().experiment), FOLDER.parent / "discoveries" / f"{name}.png")


if __name__ == "__main__":
    main()

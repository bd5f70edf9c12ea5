"""The calibration table and the figure of docs/what-a-log-tells.md: PYTHONPATH=. python docs/measured.py"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from tests.treesim.measure.truth import guided_truth
from treesim import Instance, family
from treesim.figures.style import BLUE, GREEN, GREY, ORANGE, dress, legend, save_figure
from treesim.measure import measure_log
from treesim.measure.simulation import guided_log
from treesim.tables import table

LOGS = 300
CASES: list[tuple[str, dict[str, Any], int, int]] = [
    ("dirichlet", {"horizon": 4, "perturbation": "random-sign", "epsilon": 0.2, "seed": 1}, 4, 400),
    ("dirichlet", {"horizon": 4, "perturbation": "log-normal:sigma=0.7", "seed": 3}, 3, 400),
    ("dirichlet", {"horizon": 5, "perturbation": "log-normal:sigma=0.3", "seed": 5}, 2, 400),
    ("sharpest-guidance", {"horizon": 5, "epsilon": 0.2}, 8, 400),
    ("product", {"horizon": 4, "ratio": 2.0}, 4, 400),
]
SIZES = (25, 50, 100, 200, 400, 800, 1600)


def main() -> None:
    rows = [_calibrated(*case) for case in CASES]
    headers = ["instance", "M", "mean square", "mean of rho", "B", "ESS", "acceptance", "epsilon >=", "TV <=", "TV"]
    print(table([*headers, "mean bound"], rows, form="markdown"))
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    name, parameters, pool, _ = CASES[1]
    _draw_bounds(family(name, **parameters), pool, left)
    _draw_squares(family(name, **parameters), pool, right)
    save_figure(figure, Path(__file__).with_name("what-a-log-tells.png"))


def _calibrated(name: str, parameters: dict[str, Any], pool: int, runs: int) -> list[str]:
    """A row: how often intervals contain the truth."""
    instance = family(name, **parameters)
    truth, hits, bounds = guided_truth(instance, pool), Counter[str](), []
    for seed in range(LOGS):
        found = measure_log(guided_log(instance, pool, runs, seed=seed), delta=0.9, seed=seed)
        for row, square, rho in zip(found.steps, truth["mean_square"], truth["rho"], strict=True):
            assert row.mean_square is not None and row.ratio is not None
            hits[f"square {row.step}"] += row.mean_square.lo - 1e-9 <= square <= row.mean_square.hi + 1e-9
            hits[f"rho {row.step}"] += row.ratio.lo - 1e-9 <= rho <= row.ratio.hi + 1e-9
        for what, part, exact in (
            ("B", found.average_case_bound, truth["B"]), ("ess", found.ess, runs * truth["share"]),
            ("acceptance", found.acceptance, truth["acceptance"]),
        ):  # fmt: skip
            assert part is not None
            hits[what] += part.lo - 1e-9 <= exact <= part.hi + 1e-9
        assert found.tv_upper is not None
        hits["epsilon"] += found.bellman_error_lower <= truth["epsilon"] + 1e-9
        hits["tv"] += found.tv_upper.hi >= truth["tv"]
        bounds.append(found.tv_upper.hi)
    steps = range(instance.horizon)
    least = [min(hits[f"{what} {t}"] for t in steps) for what in ("square", "rho")]
    shares = [*least, *(hits[what] for what in ("B", "ess", "acceptance", "epsilon", "tv"))]
    told = ", ".join(str(parameters[key]) for key in parameters if key in ("perturbation", "epsilon", "ratio"))
    return [f"{name}, T = {instance.horizon}, {told}", str(pool), *(f"{share / LOGS:.3f}" for share in shares),
            f"{truth['tv']:.3f}", f"{np.mean(bounds):.3f}"]  # fmt: skip


def _draw_bounds(instance: Instance, pool: int, ax: Axes) -> None:
    """The bound on the TV of many logs, against the runs that they have."""
    truth = guided_truth(instance, pool)
    ends = []
    for runs in SIZES:
        found = [measure_log(guided_log(instance, pool, runs, seed=s), delta=0.9).tv_upper for s in range(100)]
        ends.append(np.quantile([each.hi for each in found if each is not None], [0.0, 0.5, 1.0]))
    low, middle, high = np.array(ends).T
    ax.plot(SIZES, middle, "o-", color=BLUE, ms=4, label="upper bound, level 0.95: median of 100 logs")
    ax.fill_between(SIZES, low, high, color=BLUE, alpha=0.2, lw=0, label="all of them")
    ax.axhline(truth["bound"], color=ORANGE, lw=1.4, ls="--", label="E (1 − R/m)₊: what infinitely many runs say")
    ax.axhline(truth["tv"], color=GREEN, lw=1.4, label="the TV itself (exact)")
    dress(ax, f"Between pool guidance, M = {pool}, and its target", "runs in the log", "total variation")
    ax.set_xscale("log")
    ax.set_xticks(SIZES, [str(n) for n in SIZES])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(0, 1)
    legend(ax)


def _draw_squares(instance: Instance, pool: int, ax: Axes) -> None:
    """The mean square of one log, beside the plug-in and the truth."""
    found = measure_log(guided_log(instance, pool, 1000, seed=1))
    steps = [row.step for row in found.steps]
    parts = [row.mean_square for row in found.steps if row.mean_square is not None]
    estimate = np.array([part.estimate for part in parts])
    error = np.abs(np.array([[part.lo, part.hi] for part in parts]).T - estimate)
    ax.errorbar(steps, estimate, error, fmt="o", color=BLUE, ms=4, capsize=3, label="unbiased, 1000 runs")
    ax.plot(steps, [row.plug_in for row in found.steps if row.plug_in is not None], "_", color=ORANGE, ms=14, mew=2,
            label="plug-in")  # fmt: skip
    ax.plot(steps, guided_truth(instance, pool)["mean_square"], "x", color=GREEN, ms=8, label="exact")
    ax.axhline(0.0, color=GREY, lw=0.8)
    dress(ax, "Mean square of ρ − 1 over visited prefixes", "step", "mean square")
    legend(ax)


if __name__ == "__main__":
    main()

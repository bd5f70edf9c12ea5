"""Does the Bellman error of a learned value fall like 1/T? Losses, rewards, horizons and samples, measured exactly.

Rewards grow with the horizon as `treesim.instances.counting_chain` says: *extensive* (log phi varies like T),
*diffusive* (as much at any T), *intensive* (less and less).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from treesim.empirical.measure import distance
from treesim.errors import NoExactLaw, TreesimError
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.laws.density_ratio import Effort
from treesim.learning.fit import learn
from treesim.runtime.journal import Journal
from treesim.samplers import SMC, GuidedSMC, Sampler
from treesim.studies.experiment import Experiment, Points
from treesim.studies.scaling import Growth, fit
from treesim.studies.spread import Failed, spread

GROWTHS = ("extensive", "diffusive", "intensive")
LOSSES = ("ctl", "sixo", "returns", "soft-rl", "soft-rl:gradient=full", "path-consistency", "step")
# What V^ sees: on the chain the number of ones, the last token, or all that V* depends on; on trees the last two
# tokens, on texts how far the constraint has come.
FEATURES = {
    "chain, count": "one,time,count:1", "chain, last": "suffix:1", "chain, right": "count:1,level*suffix:1",
    "tree": "level,suffix:2",
    "text": "level*automaton,suffix:1",
}  # fmt: skip
HORIZONS = {
    "chain, count": (4, 8, 16, 32, 64), "chain, last": (4, 8, 16, 32, 64), "tree": (4, 6, 8, 10, 12),
    "text": (8, 16, 32),
}  # fmt: skip
SAMPLES, SAMPLED_LOSSES, SEEDS = (100, 1_000, 10_000), ("ctl", "sixo", "soft-rl:gradient=full", "step"), 5
SAMPLED_AT = 16
WIDTH = 1e-3


@dataclass(frozen=True)
class Trial:
    """One value to learn.

    Attributes
    ----------
    problem : str
        One of `FEATURES`.
    growth : str
        Of the reward; of texts ``constraint``.
    loss : str
    horizon : int
    samples : int or None
    seed : int
    """

    problem: str
    growth: str
    loss: str
    horizon: int
    samples: int | None = None
    seed: int = 0

    def instance(self) -> Instance:
        """What there is to learn."""
        if self.problem == "text":
            return family("ngram", horizon=self.horizon, order=2, contains=("the",), violation=0.01)
        if self.problem == "tree":
            sizes = {"extensive": 2.0, "diffusive": math.sqrt(self.horizon), "intensive": self.horizon / 2}
            return family("dirichlet", horizon=self.horizon, reward=f"additive:beta={sizes[self.growth]:.17g}")
        return family("counting-chain", horizon=self.horizon, growth=self.growth)

    def measure(self) -> dict[str, Any]:
        """What was learned: Bellman errors, B, KL, and TV of guidance, of guidance corrected, and of two particles."""
        learned = learn(self.instance(), self.loss, FEATURES[self.problem], self.samples, seed=self.seed)
        audit, guided = learned.instance.audit, learned.instance.guidance
        return {
            "converged": learned.is_converged, "sup": audit.bellman_error,
            "mean_reference": float(audit.mean_reference.mean()), "mean_target": float(audit.mean_target.mean()),
            "average_case_bound": guided.average_case_bound, "kl_target_to_guided": guided.kl_target_to_guided,
            "predicted_tv": guided.predicted_tv, "log_residual_sd": guided.log_residual_sd,
            "tv": _tv(GuidedSMC(), learned.instance), "tv_corrected": _tv(GuidedSMC(mh=4), learned.instance),
            "tv_two_particles": _tv(SMC(2), learned.instance),
        }  # fmt: skip


def trials(horizons: Mapping[str, Sequence[int]], losses: Sequence[str], samples: Sequence[int]) -> list[Trial]:
    """All values to learn: exactly, and from so many paths."""
    exact = [
        Trial(problem, growth, loss, horizon)
        for problem, sizes in horizons.items()
        for growth in (("constraint",) if problem == "text" else GROWTHS)
        for loss in losses
        for horizon in sizes
    ]
    few = [
        Trial("chain, right", "diffusive", loss, SAMPLED_AT, n, seed)
        for loss in SAMPLED_LOSSES
        if loss in losses
        for n in samples
        for seed in range(SEEDS)
    ]
    fixed = [
        Trial("chain, right", "diffusive", "ctl", horizon, n, seed)
        for n in samples[1:2]
        for horizon in horizons.get("chain, count", ())
        if horizon != SAMPLED_AT and "ctl" in losses
        for seed in range(SEEDS)
    ]
    return exact + few + fixed


def learned(
    store: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
    horizons: Mapping[str, Sequence[int]] = HORIZONS,
    losses: Sequence[str] = LOSSES,
    samples: Sequence[int] = SAMPLES,
    jobs: int = 1,
    dask: str | None = None,
) -> Experiment:
    """Does the Bellman error of a learned value fall like 1/T? Takes minutes, and goes on where it was interrupted.

    Parameters
    ----------
    store : Path, optional
        Where results are written down one by one.
    report : callable
        Told of each trial.
    horizons, losses, samples
        What to learn.
    jobs, dask
        Of `treesim.studies.spread.spread`.

    Raises
    ------
    TreesimError
        If a trial fails.

    Examples
    --------
    >>> found = learned(horizons={"chain, count": (4, 8, 12)}, losses=("ctl",), samples=())
    >>> -1.1 < found.figures["mean error, chain, count, intensive, ctl"] < -0.7
    True
    """
    journal, wanted = Journal(store, "learned"), trials(horizons, losses, samples)
    waiting = [trial for trial in wanted if not journal.knows(asdict(trial))]
    for number, (trial, result) in enumerate(spread(Trial.measure, waiting, jobs, dask), 1):
        if isinstance(result, Failed):
            raise TreesimError(f"{trial}: {result.why}")
        journal.keep(asdict(trial), result)
        report(f"{number} of {len(waiting)}: {trial.problem}, {trial.growth}, {trial.loss}, T = {trial.horizon}")
    rows = {trial: journal.recall(asdict(trial), dict) for trial in wanted}
    return _answer(rows)


def _tv(sampler: Sampler, instance: Instance) -> float | None:
    """The middle of the exact or certified TV; None where there is no law."""
    try:
        return distance(sampler, instance, Effort(WIDTH), runs=0).mid
    except NoExactLaw:
        return None


def _answer(rows: Mapping[Trial, Mapping[str, Any]]) -> Experiment:
    exact = {trial: row for trial, row in rows.items() if trial.samples is None}
    groups = list(dict.fromkeys((trial.problem, trial.growth, trial.loss) for trial in exact))
    figures: dict[str, float] = {}
    growths: dict[tuple[str, str, str], tuple[Growth, Growth]] = {}
    for group in groups:
        series = {
            trial.horizon: row for trial, row in exact.items() if (trial.problem, trial.growth, trial.loss) == group
        }
        fits = [fit({t: row[name] for t, row in series.items()}) for name in ("mean_target", "tv")]
        if fits[0] is not None and fits[1] is not None:
            growths[group] = fits[0].power, fits[1].power
            figures[f"mean error, {', '.join(group)}"] = fits[0].power.exponent
            figures[f"TV, {', '.join(group)}"] = fits[1].power.exponent
    first = groups[0]
    curves: dict[str, Points] = {}
    for name, label in (("mean_target", "mean Bellman error"), ("tv", "TV of guidance")):
        for growth in dict.fromkeys(growth for problem, growth, _ in groups if problem == first[0]):
            curves[f"{label}, {growth}"] = [
                (float(trial.horizon), row[name])
                for trial, row in exact.items()
                if (trial.problem, trial.growth, trial.loss) == (first[0], growth, first[2])
            ]
    figures |= _rates(rows)
    return Experiment(
        f"Learned values, {first[0]}, loss {first[2]}, exact gradients: error against T by how the reward grows",
        " ".join([*_verdicts(growths, first), *_ranks(exact), *_sample_verdicts(figures)]),
        "horizon T", "mean Bellman error under the target; TV (certified)", curves, log_x=True, log_y=True,
        figures=figures,
    )  # fmt: skip


def _verdicts(
    growths: Mapping[tuple[str, str, str], tuple[Growth, Growth]], first: tuple[str, str, str]
) -> Iterable[str]:
    """What is said of "epsilon = O(1/T)", reward by reward."""
    for (problem, growth, loss), (mean, tv) in growths.items():
        if problem == first[0] and loss == first[2]:
            verdict = "O(1/T)" if mean.low <= -1.0 <= mean.high or mean.high < -1.0 else "not O(1/T)"
            yield (
                f"A reward that is {growth}: the mean error goes like T^{mean.exponent:.2f} (95%: {mean.low:.2f} to "
                f"{mean.high:.2f}), {verdict}; TV like T^{tv.exponent:.2f} ({tv.low:.2f} to {tv.high:.2f})."
            )


def _ranks(exact: Mapping[Trial, Mapping[str, Any]]) -> Iterable[str]:
    """How often the loss of least mean error is that of least TV."""
    by_place: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    for trial, row in exact.items():
        by_place.setdefault((trial.problem, trial.growth, trial.horizon), []).append((row["mean_target"], row["tv"]))
    compared = [pairs for pairs in by_place.values() if len(pairs) > 1]
    if compared:
        same = sum(min(pairs)[1] == min(tv for _, tv in pairs) for pairs in compared)
        yield f"The loss of least mean error is that of least TV in {same} of {len(compared)} cases."


def _rates(rows: Mapping[Trial, Mapping[str, Any]]) -> dict[str, float]:
    """Exponents of the median TV in the number of paths, and in T for paths of one number."""
    by_loss: dict[str, dict[int, list[float]]] = {}
    by_horizon: dict[int, list[float]] = {}
    for trial, row in rows.items():
        if trial.samples is not None and trial.horizon == SAMPLED_AT:
            by_loss.setdefault(trial.loss, {}).setdefault(trial.samples, []).append(row["tv"])
        if trial.samples == SAMPLES[1] and trial.loss == "ctl":
            by_horizon.setdefault(trial.horizon, []).append(row["tv"])
    found = {}
    for loss, counts in by_loss.items():
        fits = fit({n: median(values) for n, values in counts.items()})
        if fits is not None:
            found[f"TV against paths, {loss}"] = fits.power.exponent
    fits = fit({t: median(values) for t, values in by_horizon.items()})
    if fits is not None:
        found[f"TV against T, {SAMPLES[1]} paths"] = fits.power.exponent
    return found


def _sample_verdicts(figures: Mapping[str, float]) -> Iterable[str]:
    rates = {name.rsplit(", ", 1)[1]: x for name, x in figures.items() if name.startswith("TV against paths, ")}
    if rates:
        told = ", ".join(f"{loss} n^{rate:.2f}" for loss, rate in rates.items())
        yield f"From n simulated paths, with features that can be right, TV falls at T = {SAMPLED_AT} like {told}."
    for name, exponent in figures.items():
        if name.startswith("TV against T, "):
            yield f"With {name.removeprefix('TV against T, ')} at any T it goes like T^{exponent:.2f}."

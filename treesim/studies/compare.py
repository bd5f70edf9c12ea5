"""Samplers side by side: TV against compute, for any number of instances and samplers."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from treesim.empirical.measure import Measurement, measure
from treesim.empirical.outcomes import Worth
from treesim.errors import SpecError
from treesim.instances.instance import Instance
from treesim.laws.density_ratio import Effort
from treesim.laws.tv import TV
from treesim.samplers import Sampler, labels
from treesim.samplers.open_parameters import OpenSampler, open_sampler
from treesim.samplers.registry import SamplerLike
from treesim.spec import spell
from treesim.studies.scaling import RUNS
from treesim.studies.spread import Track, in_order
from treesim.tables import Records, flat


@dataclass(frozen=True)
class Point:
    """One sampler on one instance.

    Attributes
    ----------
    instance : str
        What it is called.
    curve : str
        The series that the sampler belongs to.
    sampler : str
        Its spec.
    tv : TV
        To the target.
    draws, values : float
        Prefixes reached and values asked for one output, in expectation.
    worth : Worth or None
        What its outputs are worth, where the instance has outcomes, or it was asked.
    """

    instance: str
    curve: str
    sampler: str
    tv: TV
    draws: float
    values: float
    worth: Worth | None = None


@dataclass(frozen=True)
class Comparison:
    """Points, which become a table, a data frame or a figure (`treesim.figures.comparison_figure`).

    Attributes
    ----------
    points : tuple of Point

    Examples
    --------
    >>> from treesim import family
    >>> found = compare([family("uniform", horizon=4, seed=1)], ["importance"], vary={"n": [1, 4, 16]})
    >>> [(point.sampler, round(point.tv.mid, 4)) for point in found.points]
    [('importance:n=1', 0.5003), ('importance:n=4', 0.2456), ('importance:n=16', 0.0727)]
    """

    points: tuple[Point, ...]

    @property
    def instances(self) -> list[str]:
        """The names of the instances, each once."""
        return list(dict.fromkeys(point.instance for point in self.points))

    def curves(self) -> dict[tuple[str, str], list[Point]]:
        """The points of each series on each instance, cheapest first."""
        curves: dict[tuple[str, str], list[Point]] = {}
        for point in self.points:
            curves.setdefault((point.curve, point.instance), []).append(point)
        return {key: sorted(points, key=lambda each: (each.draws, each.values)) for key, points in curves.items()}

    def records(self) -> Records:
        """The points as flat rows."""
        return Records(
            {"instance": each.instance, "curve": each.curve, "sampler": each.sampler, "tv.lo": each.tv.lo,
             "tv.hi": each.tv.hi, "tv.kind": each.tv.kind, "reference_draws": each.draws, "value_queries": each.values}
            | ({} if each.worth is None else flat({"outcomes": each.worth.document()}))
            for each in self.points
        )  # fmt: skip

    def to_frame(self, library: str | None = None) -> Any:
        """The points as a data frame: see `treesim.tables.Records.to_frame`."""
        return self.records().to_frame(library)


@dataclass(frozen=True)
class Series:
    """A sampler, or several that differ by one parameter.

    Attributes
    ----------
    label : str
    varies : str or None
        The parameter.
    samplers : tuple of Sampler
    """

    label: str
    varies: str | None
    samplers: tuple[Sampler, ...]


def compare(
    instances: Mapping[str, Instance] | Sequence[Instance],
    specs: Iterable[SamplerLike],
    vary: Mapping[str, Sequence[Any]] | None = None,
    effort: Effort | None = None,
    runs: int = RUNS,
    seed: int = 0,
    track: Track = iter,
    votes: Sequence[int] | None = None,
    jobs: int = 1,
    dask: str | None = None,
) -> Comparison:
    """TV and cost of samplers on instances.

    Parameters
    ----------
    instances : mapping of str to Instance, or sequence of Instance
        By name; without names they are called by their families and parameters.
    specs : iterable of whatever `treesim.sampler` takes
        Specs, samplers, classes, objects or functions.
    vary : mapping of str to sequence, optional
        Values of parameters: those samplers take them whose specs leave the parameter open, one that must be given
        before others. Fields of classes and objects are open, whatever an object has in them.
    effort : Effort, optional
        How near the bounds on a TV must be that can only be enclosed, and what they may cost.
    runs : int
        That estimate a TV where there is no exact law.
    seed : int
        Of those runs.
    track : callable (iterable) -> iterable, optional
        Goes through the cells as they are finished, and may show how far it is.
    votes : sequence of int, optional
        k of pass@k and votes: see `treesim.empirical.measure.measure`.
    jobs, dask
        Where the work is done, see `treesim.studies.spread.spread`; elsewhere samplers are known by their specs only.

    Raises
    ------
    SpecError
        If a sampler is none, a parameter varies nowhere, or two vary at once.

    Examples
    --------
    >>> from treesim import family
    >>> product = family("product", horizon=6, ratio=1.5)
    >>> found = compare({"product": product}, ["base", "importance", "smc"], {"n": [1, 4, 16], "particles": [2, 8]})
    >>> [(point.sampler, point.values) for point in found.points[:3]]
    [('base', 0.0), ('importance:n=1', 1.0), ('importance:n=4', 4.0)]
    >>> len(found.curves()), len(found.points)
    (3, 6)
    """
    named = instances if isinstance(instances, Mapping) else {each.title: each for each in instances}
    cells = [
        (name, line.label, kind)
        for name in named for line in series(specs, vary or {}) for kind in line.samplers
    ]  # fmt: skip
    here = jobs == 1 and dask is None
    plays = [_Play(named[name], kind if here else spell(kind), effort, runs, seed, votes) for name, _, kind in cells]
    measured = in_order(_Play.measure, plays, jobs, dask, track)
    return Comparison(tuple(
        Point(name, label, found.sampler, found.tv, found.cost.reference_draws, found.cost.value_queries, found.worth)
        for (name, label, _), found in zip(cells, measured, strict=True)
    ))  # fmt: skip


@dataclass(frozen=True)
class _Play:
    """A cell: what is measured."""

    instance: Instance
    sampler: SamplerLike
    effort: Effort | None
    runs: int
    seed: int
    votes: Sequence[int] | None

    def measure(self) -> Measurement:
        """What is known of the sampler."""
        return measure(self.sampler, self.instance, self.effort, self.runs, self.seed, votes=self.votes)


def series(specs: Iterable[SamplerLike], vary: Mapping[str, Sequence[Any]]) -> list[Series]:
    """The samplers that specs and varying parameters name.

    Examples
    --------
    >>> [(line.label, len(line.samplers)) for line in series(["base", "importance"], {"n": [1, 4, 16]})]
    [('base', 1), ('importance, n = 1 to 16', 3)]
    """
    kinds = [open_sampler(spec) for spec in specs]
    open_ones = [_first_needed([key for key in kind.open if key in vary], kind) for kind in kinds]
    for key in vary:
        if not vary[key]:
            raise SpecError(f"{key} varies over nothing, expected a value or more")
        if not any(key in keys for keys in open_ones):
            raise SpecError(f"{key} varies, but no sampler has it open: expected one with that parameter, not given")
    lines = []
    for kind, keys in zip(kinds, open_ones, strict=True):
        if len(keys) > 1:
            raise SpecError(
                f"{' and '.join(keys)} vary, and {kind.text!r} has both; give all but one of them in the spec"
            )
        if keys:
            values = vary[keys[0]]
            span = f"{values[0]} to {values[-1]}" if len(values) > 1 else values[0]
            varied = tuple(kind.having(keys[0], value) for value in values)
            lines.append(Series(f"{kind.without(keys[0])}, {keys[0]} = {span}", keys[0], varied))
        else:
            lines.append(Series(kind.text, None, (kind.plain(),)))
    fixed = labels(spell(line.samplers[0]) for line in lines if line.varies is None)
    shown = iter(fixed)
    return _told_apart([line if line.varies else dataclasses.replace(line, label=next(shown)) for line in lines])


def from_records(records: Records, vary: Collection[str] = ()) -> Comparison:
    """The comparison that the rows of a sweep make.

    Samplers of a name are one series where they differ by one parameter, or by one of `vary` whatever else they differ
    by. Rows without a result are left out.

    Parameters
    ----------
    records : Records
        As `treesim.results` gives them.
    vary : collection of str
        Parameters that grow.

    Raises
    ------
    SpecError
        If there is no result, or no sampler has such a parameter.
    """
    rows = [record for record in records if not record["error"]]
    if not rows:
        raise SpecError("the store has no result yet, expected a row or more")
    specs = {record["sampler"]: _settings(record["sampler"]) for record in rows}
    for key in vary:
        if not any(key in settings for _, settings in specs.values()):
            raise SpecError(f"{key} varies, but no sampler of the store has it in its spec")
    curve = {
        spec: _curve(name, settings, _varying(name, specs.values(), vary)) for spec, (name, settings) in specs.items()
    }
    names = _instance_names(rows)
    points = [
        Point(name, curve[row["sampler"]], row["sampler"], TV(row["tv.lo"], row["tv.hi"], row["tv.kind"]),
              row["reference_draws"], row["value_queries"])
        for name, row in zip(names, rows, strict=True)
    ]  # fmt: skip
    curves = Comparison(tuple(points)).curves()
    return Comparison(tuple(
        point for name in dict.fromkeys(names) for (_, other), line in curves.items() if other == name for point in line
    ))  # fmt: skip


def _first_needed(keys: list[str], kind: OpenSampler) -> list[str]:
    """Those parameters that must be given, if there are such: they vary before those that have a default."""
    return [key for key in keys if key in kind.needed] or keys


def _told_apart(lines: list[Series]) -> list[Series]:
    """Series of different samplers have different labels: two functions may have one name."""
    known: dict[str, list[Series]] = {}
    for i, line in enumerate(lines):
        same = known.setdefault(line.label, [])
        place = next((k for k, other in enumerate(same) if other.samplers == line.samplers), len(same))
        same[place:] = same[place:] or [line]
        lines[i] = dataclasses.replace(line, label=f"{line.label} ({place + 1})") if place else line
    return lines


def _settings(spec: str) -> tuple[str, dict[str, str]]:
    """Name and parameters, as they are written: the sampler of a store may not be known here."""
    name, _, rest = spec.partition(":")
    pairs = (part.partition("=") for part in rest.split(",") if part.strip())
    return name.strip(), {key.strip(): value.strip() for key, _, value in pairs}


def _varying(name: str, specs: Iterable[tuple[str, dict[str, str]]], vary: Collection[str]) -> str | None:
    """The parameter that makes samplers of a name a series."""
    same = [settings for other, settings in specs if other == name]
    keys = dict.fromkeys(key for settings in same for key in settings)
    asked = [key for key in vary if key in keys]
    differ = asked[:1] or [key for key in keys if len({settings.get(key) for settings in same}) > 1]
    return differ[0] if len(differ) == 1 else None


def _curve(name: str, settings: Mapping[str, str], vary: str | None) -> str:
    rest = ",".join(f"{key}={value}" for key, value in settings.items() if key != vary)
    return ":".join(filter(None, [name, rest])) + (f", {vary} varies" if vary else "")


def _instance_names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the instances of a sweep are called: family, and parameters and seed by which they differ."""
    keys = dict.fromkeys(key for row in rows for key in row if key.startswith("parameters."))
    differ = [key for key in [*keys, "seed"] if len({str(row.get(key)) for row in rows}) > 1]
    return [
        ", ".join([row["family"], *(f"{key.removeprefix('parameters.')}={row[key]}" for key in differ if key in row)])
        for row in rows
    ]

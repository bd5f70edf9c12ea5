"""A plan from what was measured: what the log says of its own runs, beside the guarantees for its lower bounds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from treesim.errors import MeasureError, quoted
from treesim.runtime.reading import require_file
from treesim.theory.planning import Method, Plan, plan


def plan_measured(
    measured: Mapping[str, Any] | str | Path, delta: float | None = None, branching: int | None = None
) -> tuple[Plan, tuple[Method, ...]]:
    """What to run by a measurement of guided generation.

    Parameters
    ----------
    measured : mapping, str or Path
        `Measurement.document`, or the JSON file that ``treesim measure --json`` wrote.
    delta : float, optional
        Left out, that of the measurement. The number of paths that its weights ask for is known for that only.
    branching : int, optional

    Returns
    -------
    Plan
        For the least Bellman error and L that the log allows: its costs are lower bounds of what is guaranteed.
    tuple of Method
        What the log says of its own runs and of corrections of them, at its level.

    Raises
    ------
    MeasureError
        If it is no measurement of a guided log.

    Examples
    --------
    >>> from treesim import family
    >>> from treesim.measure import measure_log
    >>> from treesim.measure.simulation import guided_log
    >>> instance = family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.05, seed=1)
    >>> found = measure_log(guided_log(instance, pool=32, runs=1000), delta=0.2)
    >>> least, observed = plan_measured(found.document())
    >>> least.bellman_error <= 0.05, [(row.spec, row.tv is not None) for row in observed][:2]
    (True, [('as sampled', True), ('sp-gsmc', True)])
    """
    document = measured if isinstance(measured, Mapping) else _read(Path(measured))
    try:
        if document["kind"] != "guided":
            raise MeasureError(
                "it is a measurement of plain traces, which do not tell how far samples are from their target; "
                "expected one of guided generation"
            )
        # JSON has infinities as texts.
        error, ratio = float(document["bellman_error_lower"]), float(document["ratio_bound_seen"])
        steps, level, known = len(document["steps"]), float(document["level"]), float(document["delta"])
        bound, average, paths = document["tv_upper"], document["average_case_bound"], document["paths"]
    except (KeyError, TypeError, ValueError) as missing:
        raise MeasureError(
            f"it is no measurement ({quoted(missing)}); expected what treesim measure --json wrote"
        ) from None
    if not math.isfinite(error):
        raise MeasureError(
            "the log has a prefix of value 0 whose children have some: its Bellman error is infinite, and nothing is "
            "guaranteed"
        )
    delta = known if delta is None else delta
    observed = [
        _observed("as sampled", "its weights", bound["hi"], delta, f"at level {level:g}, by the second moment seen")
    ]
    if average is not None:
        observed.append(_observed("sp-gsmc", "average-case bound", average["hi"], delta, f"at level {level:g}"))
    for method, n in (paths or {}).items():
        remark = "if no weight is beyond the range seen" if delta == known else f"measured for delta = {known:g}"
        spec = f"{method}, {n} runs" if n else method
        observed.append(
            Method(spec, "draws", "range of weights", delta if n and delta == known else None, remark=remark)
        )
    return plan(steps, error, ratio, delta, branching), tuple(observed)


def _observed(spec: str, source: str, hi: float, delta: float, remark: str) -> Method:
    """A row of the log: enough, or how far it is."""
    if hi <= delta:
        return Method(spec, "draws", source, hi, remark=remark)
    return Method(spec, "draws", source, remark=f"only TV <= {hi:.3g}, {remark}")


def _read(path: Path) -> Mapping[str, Any]:
    require_file(path, MeasureError)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise MeasureError(f"{path} is no JSON; expected what treesim measure --json wrote") from None
    except OSError as error:
        raise MeasureError(f"cannot read {path}: {error.strerror}") from None
    if not isinstance(document, Mapping):
        raise MeasureError(f"{path} holds {quoted(document)}; expected what treesim measure --json wrote")
    return document

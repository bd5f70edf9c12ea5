r"""Bounds on the law of the density ratio r = p/q of two walks on a layered graph, and what follows from it.

TV(p, q) = E_q[(1 - r)_+] is convex in r, and r is a product of factors along the path. A forward recursion over
(node, grid of log r) therefore bounds it from both sides: mass between two grid points is split between them, keeping
its mean of r (a mean-preserving *spread*, never lowers a convex functional); or all mass of a cell is given the cell's
mean (a *contraction*, never raises it). Both are second order in the grid step. Computing TV exactly is #P-hard in
general (Bhattacharyya et al. 2022); where all residuals lie on a lattice the grid is that lattice and nothing is lost.

Cells whose side of r = 1 is decided whatever comes are closed at once. An allowance for the rounding of float64 is part
of every interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from treesim.arrays import FloatArray
from treesim.kernels.density_ratio import (
    contract_level,
    edge_log_ratios,
    extremes_level,
    gauge_level,
    grid_shifts,
    lattice_shifts,
    residuals_level,
    spread_level,
    trim_level,
    windows_level,
)
from treesim.laws.ratio_law import RatioLaw, expect
from treesim.laws.walks import Steps
from treesim.runtime.memory import require_memory
from treesim.runtime.threads import thread_map

UNIT = 2.0**-53
EXACT = 1e-12  # what is known this well is called exact
LATTICE_TOLERANCE = 1e-11
MOST_LATTICE_RESIDUALS = 64
MOST_LATTICE_CELLS = 1e6
# Every run asks for the edges of all levels: those of the first levels are kept, up to so many.
MOST_KEPT_EDGES = 1 << 20
DROPPED_SHARE = 0.05  # of the width asked for, spent on dropping thin ends
SAFETY = 0.7
DEFAULT_WIDTH = 1e-6
DEFAULT_BUDGET = 2e10
_LARGEST_STEP = 0.5
_ROUNDS = 8
_GUARD = 1e-9

Progress = Callable[[int, int], None]


class Effort(NamedTuple):
    """How far apart bounds may be, how many cell moves may be spent on them, and who is told of each level done."""

    width: float = DEFAULT_WIDTH
    budget: float = DEFAULT_BUDGET
    progress: Progress | None = None


@dataclass(frozen=True)
class Bounds:
    """An interval that contains a number, and what it took.

    Attributes
    ----------
    lo, hi : float
    exact : float or None
        The number itself, off by less than 1e-12, where a lattice makes it known.
    moves : int
        Cell moves spent.
    wanted : float or None
        Where they are further apart than asked: the cell moves that would be enough, about; infinite where rounding
        alone keeps them apart.
    """

    lo: float
    hi: float
    exact: float | None
    moves: int
    wanted: float | None


class _Cells(NamedTuple):
    """What a recursion leaves at level T, and what it took out on the way.

    Attributes
    ----------
    log_ratio, mass, moment : ndarray, shape [n_cells]
        log r of each cell, its mass of q, and that of p in units of r.
    closed : float
        Mass of q less that of p where r stays below one.
    vanished : float
        Mass of q where r is zero.
    dropped : float
        Mass of thin ends.
    moves : int
        Cell moves spent.
    """

    log_ratio: FloatArray
    mass: FloatArray
    moment: FloatArray
    closed: float
    vanished: float
    dropped: float
    moves: int

    def sorted(self) -> _Cells:
        """In the order of r, what vanished among them, without the moments."""
        log_ratio, mass = self.log_ratio, self.mass
        if self.vanished:
            log_ratio, mass = np.append(log_ratio, -np.inf), np.append(mass, self.vanished)
        order = np.argsort(log_ratio, kind="stable")
        return self._replace(log_ratio=log_ratio[order], mass=mass[order], moment=np.empty(0))


class DensityRatio:
    """The recursion for r = p/q, set up: gauges, what the rest of a path can add, and the lattice if there is one.

    Parameters
    ----------
    p, q : Steps
        Two walks on the same graph.
    """

    def __init__(self, p: Steps, q: Steps) -> None:
        self.p, self.q, self.graph = p, q, q.graph
        n = self.graph.n_nodes
        self.gauge, self.flow = np.zeros(n), np.full(n, -1.0)
        self.least, self.most, self.escape = np.zeros(n), np.zeros(n), np.zeros(n)
        self.flow[0] = 1.0
        self._edges: dict[int, tuple[FloatArray, FloatArray, FloatArray]] = {}
        self._room = MOST_KEPT_EDGES
        self._set_gauges()
        self._look_back()
        self._bound_rounding()

    @property
    def log_largest_ratio(self) -> float:
        """log C_inf: the largest log(p/q) over the paths that q takes."""
        return float(self.most[0])

    @property
    def log_smallest_ratio(self) -> float:
        """The smallest log(p/q) over the paths that q takes."""
        return float(self.least[0])

    def edges(self, t: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """log(p/q), p and q of the edges from level `t`."""
        known = self._edges.get(t)
        if known is None:
            p, q = self.p.edges(t), self.q.edges(t)
            log_ratio = np.empty(len(q))
            edge_log_ratios(p.numbers, q.numbers, log_ratio)
            known = log_ratio, p.to_float(), q.to_float()
            if len(q) <= self._room:
                self._edges[t] = known
                self._room -= len(q)
        return known

    def tv(self, effort: Effort) -> Bounds:
        """Bounds on TV(p, q), refined until they are near enough or the next refinement exceeds the budget."""
        return self._refine(lambda step, share: self._close(step, share, effort.progress), self.rounding, effort)

    def enclose(self, figure: Callable[[RatioLaw], tuple[float, float]], effort: Effort) -> tuple[RatioLaw, Bounds]:
        """Laws that enclose the law of r, refined until the bounds on a figure of it are near enough, as in `tv`."""
        laws: list[RatioLaw] = []

        def run(step: float, share: float) -> tuple[float, float, int]:
            laws.append(self._whole(step, share, effort.progress))
            return *figure(laws[-1]), laws[-1].moves

        bounds = self._refine(run, 0.0, effort)
        return laws[-1], bounds

    def _refine(
        self, run: Callable[[float, float], tuple[float, float, int]], rounding: float, effort: Effort
    ) -> Bounds:
        """Run at smaller and smaller steps; `rounding` is what the bounds of a run lack on either side."""
        width, budget, _ = effort
        share = DROPPED_SHARE * width / (4.0 * self.graph.horizon)
        if self.lattice is not None:
            lo, hi, moves = run(self.lattice, 1e-17 / self.graph.horizon)
            exact = min(1.0, lo) if self.rounding <= EXACT else None
            wanted = None if exact is not None or hi - lo + 2 * rounding <= width else math.inf
            return Bounds(max(0.0, lo - rounding), min(1.0, hi + rounding), exact, moves, wanted)
        step = self.first_step
        best_lo, best_hi, spent, wanted = 0.0, 1.0, 0, 0.0
        for _ in range(_ROUNDS):
            lo, hi, moves = run(step, share)
            best_lo, best_hi, spent = max(best_lo, lo - rounding), min(best_hi, hi + rounding), spent + moves
            gap = best_hi - best_lo
            if gap <= width:
                return Bounds(best_lo, best_hi, None, spent, None)
            # But for rounding the gap is second order in the step, and moves go with its inverse.
            floor = 2 * self.rounding if 2 * self.rounding < width else 0.0
            enough = step * min(0.7, math.sqrt(SAFETY * (width - floor) / (gap - floor)))
            wanted = spent + moves * step / enough
            if floor == 0.0 < self.rounding and (wanted > budget or gap <= 4 * self.rounding):
                return Bounds(best_lo, best_hi, None, spent, math.inf)
            if wanted > budget:
                break
            step = max(0.02 * step, enough)
        return Bounds(best_lo, best_hi, None, spent, wanted)

    def _set_gauges(self) -> None:
        graph = self.graph
        for t in range(graph.horizon):
            layer, here, below = graph.layer(t), graph.level(t), graph.level(t + 1)
            log_ratio, _, q = self.edges(t)
            best = np.full(graph.n_level(t + 1), -1.0)
            above, ahead = (self.flow[here], self.gauge[here]), (self.flow[below], self.gauge[below])
            gauge_level(tuple(layer), log_ratio, q, above, ahead, best)

    def residuals(self, t: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Residuals, log ratios and q of the edges from level `t`."""
        log_ratio, _, q = self.edges(t)
        return self._residuals(t, log_ratio), log_ratio, q

    def _residuals(self, t: int, log_ratio: FloatArray) -> FloatArray:
        layer, here, below = self.graph.layer(t), self.graph.level(t), self.graph.level(t + 1)
        out = np.empty(len(log_ratio))
        residuals_level(tuple(layer), log_ratio, self.flow[here], self.gauge[here], self.gauge[below], out)
        return out

    def _look_back(self) -> None:
        """From the leaves up: what the rest of a path can add; and the sizes of all residuals."""
        graph = self.graph
        values: FloatArray | None = np.empty(0)
        squares, largest = 0.0, float(np.abs(self.gauge).max())
        for t in reversed(range(graph.horizon)):
            layer, here, below = graph.layer(t), graph.level(t), graph.level(t + 1)
            log_ratio, p, _ = self.edges(t)
            ahead, above = ((self.least[part], self.most[part], self.escape[part]) for part in (below, here))
            extremes_level(tuple(layer), log_ratio, p, ahead, above)
            residual = self._residuals(t, log_ratio)
            residual = np.abs(residual[~np.isnan(residual)])
            size = residual.max(initial=0.0)
            squares += size**2
            largest = max(largest, size, np.abs(log_ratio[np.isfinite(log_ratio)]).max(initial=0.0))
            if values is not None:
                values = _distinct(np.concatenate([values, residual[residual > LATTICE_TOLERANCE]]))
                if len(values) > MOST_LATTICE_RESIDUALS:
                    values = None
        self.largest_log = largest
        spread = math.sqrt(squares)
        self.first_step = min(_LARGEST_STEP, max(spread / 50, 1e-12))
        self.lattice, self.lattice_error = _lattice(values, spread), 0.0
        if self.lattice is not None:
            # Values that count as one are told apart again: what all residuals lack of multiples, level by level.
            off = [self._off_lattice(t, self.lattice) for t in range(graph.horizon)]
            self.lattice_error = math.fsum(off)
            if max(off) > 2 * LATTICE_TOLERANCE:
                self.lattice = None

    def _off_lattice(self, t: int, step: float) -> float:
        """How far a residual from level `t` may be from a multiple of the step."""
        residual = self.residuals(t)[0]
        residual = residual[~np.isnan(residual)]
        return float(np.abs(residual - np.round(residual / step) * step).max(initial=0.0))

    def _bound_rounding(self) -> None:
        """Relative error of a path's mass and ratio, level by level: edges, sums over edges into a node, logs."""
        graph = self.graph
        into = max(int(np.bincount(layer.child).max()) if len(layer.child) else 1 for layer in graph.distinct_layers())
        a_step = 2 * (self.p.relative_error + self.q.relative_error)
        a_step += UNIT * (2 * into + 4 * self.largest_log + 16)
        self.rounding = float(2 * graph.horizon * a_step + 64 * UNIT)
        if self.lattice is not None:
            self.rounding += self.lattice_error

    def _run(
        self, step: float, share: float, *, spread: bool, closing: bool, progress: Progress | None = None
    ) -> _Cells:
        """One recursion from the root to level T, a spread or a contraction, closing cells on the way or not."""
        graph, exact = self.graph, self.lattice is not None
        windows = (np.zeros(1, np.int64), np.ones(1, np.int64), np.zeros(1, np.int64))
        mass, moment = np.ones(1), np.ones(0 if spread else 1)
        closed, vanished, dropped, moves = [0.0], [0.0], [0.0], 0
        width = 0.0 if spread or exact else step
        for t in range(graph.horizon):
            layer, below = tuple(graph.layer(t)), graph.level(t + 1)
            residual, log_ratio, q = self.residuals(t)
            shift = (np.empty(len(q), np.int64), np.empty(len(q)))
            if exact:
                lattice_shifts(residual, step, *shift)
            else:
                grid_shifts(residual, step, *shift)
            n = graph.n_level(t + 1)
            next_windows = (np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64))
            size, count = windows_level(layer, shift, windows, next_windows)
            moves += count
            # Room above: the last cell of the last window may carry into it.
            require_memory(32.0 * size, f"a grid of step {step:.3g} in log density ratio at level {t + 1}")
            out, out_moment = np.zeros(size + 1), np.zeros(0 if spread else size + 1)
            if spread:
                gone = spread_level(layer, q, log_ratio, shift, step, windows, mass, next_windows, out)
            else:
                gone = contract_level(
                    layer, q, log_ratio, shift, step, windows, mass, moment, next_windows, out, out_moment
                )
            vanished.append(gone)
            windows, mass, moment = next_windows, out, out_moment
            least = self.least[below] if closing else np.full(n, -np.inf)
            most = self.most[below] if closing else np.full(n, np.inf)
            nodes = (self.gauge[below], self.flow[below], least, most, self.escape[below])
            guard = _GUARD if t + 1 < graph.horizon else 0.0
            keeps_heavy = not closing
            below_one, thin = trim_level(step, nodes, guard, share, keeps_heavy, windows, mass, moment, width)
            closed.append(below_one)
            dropped.append(thin)
            if progress is not None:
                progress(t + 1, graph.horizon)
        start, stop, low = windows
        kept = np.concatenate([np.arange(a, b) for a, b in zip(start, stop, strict=True)])
        node = np.repeat(np.arange(len(start)), stop - start)
        log_ratio = (low[node] + kept - start[node]) * step + self.gauge[graph.leaves][node]
        mass, moment = mass[kept], (mass if spread else moment)[kept]
        live = mass > 0
        return _Cells(
            log_ratio[live], mass[live], moment[live], math.fsum(closed), math.fsum(vanished), math.fsum(dropped), moves
        )  # fmt: skip

    def _close(self, step: float, share: float, progress: Progress | None) -> tuple[float, float, int]:
        """Bounds on the TV but for rounding, cells being closed as soon as they are decided; and the moves."""

        def spread() -> tuple[float, float, int]:
            cells = self._run(step, share, spread=True, closing=True, progress=progress)
            rest = expect(np.maximum(-np.expm1(cells.log_ratio), 0.0), cells.mass)
            return float(cells.closed + cells.vanished + rest), cells.dropped, cells.moves

        def contraction() -> tuple[float, float, int]:
            cells = self._run(step, share, spread=False, closing=True)
            rest = float(np.maximum(cells.mass - cells.moment * np.exp(cells.log_ratio), 0.0).sum())
            return float(cells.closed + cells.vanished + rest), cells.dropped, cells.moves

        if self.lattice is not None:
            tv, dropped, moves = spread()
            return tv, tv + dropped, moves
        upper, lower = thread_map(lambda bound: bound(), [spread, contraction])
        return lower[0], upper[0] + upper[1], upper[2] + lower[2]

    def _whole(self, step: float, share: float, progress: Progress | None) -> RatioLaw:
        """Both laws of r at level T, nothing closed before."""

        def spread() -> _Cells:
            return self._run(step, share, spread=True, closing=False, progress=progress).sorted()

        def contraction() -> _Cells:
            cells = self._run(step, share, spread=False, closing=False)
            return cells._replace(log_ratio=cells.log_ratio + np.log(cells.moment / cells.mass)).sorted()

        if self.lattice is not None:
            both = spread()
            return RatioLaw(
                both.log_ratio, both.mass, both.log_ratio, both.mass, both.dropped, self.rounding, both.moves
            )
        upper, lower = thread_map(lambda bound: bound(), [spread, contraction])
        dropped, moves = max(upper.dropped, lower.dropped), upper.moves + lower.moves
        return RatioLaw(upper.log_ratio, upper.mass, lower.log_ratio, lower.mass, dropped, self.rounding, moves)


def _distinct(values: FloatArray) -> FloatArray:
    """The values that differ by more than the tolerance, sorted."""
    values = np.sort(values)
    return values[np.concatenate([[True], np.diff(values) > LATTICE_TOLERANCE])] if len(values) else values


def _lattice(values: FloatArray | None, spread: float) -> float | None:
    """The step of which all values are multiples, to the tolerance, if a grid of that step is not too fine."""
    if values is None:
        return None
    if not len(values):
        return 1.0
    step = float(values[0])
    for value in values[1:]:
        step = _common_divisor(step, float(value))
    multiples = np.round(values / step)
    step = float((values * multiples).sum() / (multiples**2).sum())
    error = float(np.abs(values - multiples * step).max())
    return step if error <= LATTICE_TOLERANCE and spread / step < MOST_LATTICE_CELLS else None


def _common_divisor(a: float, b: float) -> float:
    """The largest number of which both are multiples, to the tolerance; tiny if there is none."""
    while b > LATTICE_TOLERANCE:
        rest = math.fmod(a, b)
        a, b = b, min(rest, b - rest)
    return a

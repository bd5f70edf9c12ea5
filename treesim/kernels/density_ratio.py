"""The law of a density ratio r = p/q along paths: convex-order bounds on a grid of log r.

A state is (node, cell): at node v, cell k stands for log r = k h + gauge(v). Every node's window of cells is a slice
of one flat array, ``start[v] .. stop[v]``, whose first cell has number ``low[v]``. An edge moves mass by its residual
``log(p/q)(e) + gauge(v) - gauge(c)``; the gauge is chosen so that the residual of one edge into each node is zero.
"""

import math

from treesim.kernels import kernel
from treesim.kernels.arithmetic import LN2

NOWHERE = 2**62


@kernel
def edge_log_ratios(p_edges, q_edges, out):
    """log(p/q) of every edge: -inf where p is zero, NaN where q is."""
    p, p_exponent = p_edges
    q, q_exponent = q_edges
    for k in range(out.shape[0]):
        if q[k] == 0.0:
            out[k] = math.nan
        elif p[k] == 0.0:
            out[k] = -math.inf
        else:
            out[k] = math.log(p[k] / q[k]) + (p_exponent[k] - q_exponent[k]) * LN2


@kernel
def gauge_level(layer, log_ratio, q, here, below, best):
    """Mass of q at the children, and their gauges: log r along the edge that brings the most mass."""
    ptr, _, child = layer
    flow, gauge = here
    next_flow, next_gauge = below
    base = ptr[0]
    is_tree = child.shape[0] == 0
    # `flow` is -1 where q never comes; `best` is the mass of the edge that the gauge follows.
    for v in range(ptr.shape[0] - 1):
        if flow[v] < 0.0:
            continue
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            if not log_ratio[k] > -math.inf:
                continue
            c = k if is_tree else child[k]
            mass = flow[v] * q[k]
            next_flow[c] = max(next_flow[c], 0.0) + mass
            if mass > best[c]:
                best[c] = mass
                next_gauge[c] = gauge[v] + log_ratio[k]


@kernel
def extremes_level(layer, log_ratio, p, below, here):
    """Smallest and largest log r that the rest of a path can add, where q goes; and the chance that p leaves there."""
    ptr, _, child = layer
    below_least, below_most, below_escape = below
    least, most, escape = here
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for v in range(ptr.shape[0] - 1):
        least[v], most[v], escape[v] = math.inf, -math.inf, 0.0
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            c = k if is_tree else child[k]
            if math.isnan(log_ratio[k]):
                escape[v] += p[k]
                continue
            escape[v] += p[k] * below_escape[c]
            least[v] = min(least[v], log_ratio[k] + below_least[c])
            most[v] = max(most[v], log_ratio[k] + below_most[c])


@kernel
def residuals_level(layer, log_ratio, flow, gauge, next_gauge, out):
    """How far each edge is from the gauges of its ends; NaN for edges without mass of p or q."""
    ptr, _, child = layer
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for v in range(ptr.shape[0] - 1):
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            out[k] = math.nan
            if flow[v] >= 0.0 and log_ratio[k] > -math.inf:
                c = k if is_tree else child[k]
                out[k] = log_ratio[k] + gauge[v] - next_gauge[c]


@kernel
def grid_shifts(residual, step, cells, part):
    """Every residual as a whole number of cells and a part of one in [0, 1)."""
    for k in range(residual.shape[0]):
        if math.isnan(residual[k]):
            cells[k], part[k] = NOWHERE, 0.0
        else:
            x = residual[k] / step
            whole = math.floor(x)
            cells[k], part[k] = whole, x - whole


@kernel
def lattice_shifts(residual, step, cells, part):
    """The same where all residuals are multiples of the step, but for rounding: no part is left."""
    for k in range(residual.shape[0]):
        cells[k] = NOWHERE if math.isnan(residual[k]) else round(residual[k] / step)
        part[k] = 0.0


@kernel
def windows_level(layer, shift, windows, next_windows):
    """Lay out the windows of the children; returns how many cells they have and how many moves will fill them.

    ``next_stop`` holds the highest cell until the windows are laid end to end.
    """
    ptr, _, child = layer
    cells, part = shift
    start, stop, low = windows
    next_start, next_stop, next_low = next_windows
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for c in range(next_low.shape[0]):
        next_low[c], next_stop[c] = NOWHERE, -NOWHERE
    moves = 0
    # The window of a child reaches from the lowest to the highest cell that the parents so far send mass to.
    for v in range(ptr.shape[0] - 1):
        size = stop[v] - start[v]
        if size == 0:
            continue
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            if cells[k] == NOWHERE:
                continue
            c = k if is_tree else child[k]
            moves += size
            first = low[v] + cells[k]
            next_low[c] = min(next_low[c], first)
            next_stop[c] = max(next_stop[c], first + size + (1 if part[k] > 0.0 else 0))
    total = 0
    # Windows of children before c fill the cells 0 .. total, without gaps.
    for c in range(next_low.shape[0]):
        size = next_stop[c] - next_low[c] if next_low[c] < NOWHERE else 0
        next_start[c] = total
        total += size
        next_stop[c] = total
        if size == 0:
            next_low[c] = 0
    return total, moves


@kernel
def spread_level(layer, q, log_ratio, shift, step, windows, mass, next_windows, out):
    """Mean-preserving spread: mass between two cells is split so that its mean of r stays. Only raises a TV.

    Returns the mass that takes edges where p is zero: there r is zero for good.
    """
    ptr, _, child = layer
    cells, part = shift
    start, stop, low = windows
    next_start, _, next_low = next_windows
    base = ptr[0]
    is_tree = child.shape[0] == 0
    scale = 1.0 / math.expm1(step)
    vanished = 0.0
    # What an edge moves keeps its mass and its mean of r: stay + rise = q, and r of the upper cell is exp(step) larger.
    for v in range(ptr.shape[0] - 1):
        begin, end = start[v], stop[v]
        if begin == end:
            continue
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            if log_ratio[k] == -math.inf:
                here = 0.0
                for i in range(begin, end):
                    here += mass[i]
                vanished += here * q[k]
            if cells[k] == NOWHERE:
                continue
            c = k if is_tree else child[k]
            offset = next_start[c] + low[v] + cells[k] - next_low[c] - begin
            if part[k] > 0.0:
                above = math.expm1(part[k] * step) * scale
                stay, rise = q[k] * (1.0 - above), q[k] * above
                for i in range(begin, end):
                    out[i + offset] += mass[i] * stay
                for i in range(begin, end):
                    out[i + offset + 1] += mass[i] * rise
            else:
                for i in range(begin, end):
                    out[i + offset] += mass[i] * q[k]
    return vanished


@kernel
def contract_level(layer, q, log_ratio, shift, step, windows, mass, moment, next_windows, out, out_moment):
    """Mean-preserving contraction: all mass of a cell is given its mean of r. Only lowers a TV.

    ``moment`` is the mass of p in units of the cell's lower end, so that mass <= moment < mass * exp(step). Returns the
    mass that takes edges where p is zero.
    """
    ptr, _, child = layer
    cells, part = shift
    start, stop, low = windows
    next_start, _, next_low = next_windows
    base = ptr[0]
    is_tree = child.shape[0] == 0
    ceiling, down = math.exp(step), math.exp(-step)
    vanished = 0.0
    # With the carry mass <= moment < mass * exp(step) holds for every piece that is moved, so for sums of pieces.
    for v in range(ptr.shape[0] - 1):
        begin, end = start[v], stop[v]
        if begin == end:
            continue
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            if log_ratio[k] == -math.inf:
                here = 0.0
                for i in range(begin, end):
                    here += mass[i]
                vanished += here * q[k]
            if cells[k] == NOWHERE:
                continue
            c = k if is_tree else child[k]
            offset = next_start[c] + low[v] + cells[k] - next_low[c] - begin
            if part[k] > 0.0:
                raised = q[k] * math.exp(part[k] * step)
                for i in range(begin, end):
                    m = mass[i] * q[k]
                    r = moment[i] * raised
                    carry = r >= m * ceiling
                    j = i + offset + carry
                    out[j] += m
                    out_moment[j] += r * down if carry else r
            else:
                for i in range(begin, end):
                    out[i + offset] += mass[i] * q[k]
                    out_moment[i + offset] += moment[i] * q[k]
    return vanished


@kernel
def trim_level(step, nodes, guard, share, keep_heavy, windows, mass, moment, width):
    """Close the cells whose side of r = 1 is decided for good, and drop ends of little mass.

    What is closed below 1 counts q, less the share of p that stays on paths of q.
    ``moment`` is empty for a spread. ``width`` is how much of a cell lies above its lower end, in log r. Returns the
    closed cells' q - p where r stays below 1, and the mass dropped: of q, or with `keep_heavy` of p or q, the larger.
    """
    gauge, flow, least, most, escape = nodes
    start, stop, low = windows
    spread = moment.shape[0] == 0
    closed, error, dropped = 0.0, 0.0, 0.0
    for c in range(start.shape[0]):
        begin, end = start[c], stop[c]
        # Cells before `begin` are closed, their q - p is in `closed` but for `error` (Kahan); low[c] names `begin`.
        while begin < end:
            x = low[c] * step + gauge[c]
            if not x + width + most[c] <= -guard:
                break
            if spread:
                term = (escape[c] * math.exp(x) - math.expm1(x)) * mass[begin]
            else:
                term = mass[begin] - moment[begin] * math.exp(x) * (1.0 - escape[c])
            corrected = term - error
            new = closed + corrected
            error = (new - closed) - corrected
            closed = new
            begin += 1
            low[c] += 1
        while begin < end:
            x = (low[c] + end - 1 - begin) * step + gauge[c]
            if not x + least[c] >= guard:
                break
            end -= 1
        # Each end may lose `room` of mass, the outermost cells first.
        room = share * max(flow[c], 0.0)
        left = room
        while begin < end:
            weight = mass[begin]
            if keep_heavy:
                weight *= math.exp(max(0.0, low[c] * step + gauge[c] + width))
            if not weight <= left:
                break
            left -= weight
            dropped += weight
            begin += 1
            low[c] += 1
        left = room
        while begin < end:
            weight = mass[end - 1]
            if keep_heavy:
                weight *= math.exp(max(0.0, (low[c] + end - 1 - begin) * step + gauge[c] + width))
            if not weight <= left:
                break
            left -= weight
            dropped += weight
            end -= 1
        start[c], stop[c] = begin, end
    return closed, dropped

"""The race: of N weighted draws keep the one of the largest weight / uniform.

Among N independent draws of law q the rule keeps an outcome of weight w with probability q(outcome) h(w),

    h(w) = N w int_w^inf G(s)^(N-1) / s^2 ds,  G(s) = E[(1 - W/s)_+],

since a weight v, divided by a uniform number, stays below s with probability (1 - v/s)_+. Between neighbouring weights
G(s) = a - b/s, and the integral is a difference of powers.
"""

import math

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.arithmetic import LN2, exponential, product
from treesim.kernels.one_of_n import heaviest_first
from treesim.kernels.uniforms import uniform
from treesim.kernels.walk import draw_edge


@kernel
def race_by_log(prob, log_weight, draws, out):
    """log h at every atom; where a weight is zero, p0^(N-1): among nothing but zeros the pick is uniform."""
    n = prob.shape[0]
    order = np.arange(n)
    heaviest_first(log_weight, np.zeros(n, np.int32), order)
    order = order[::-1]
    p_zero, dead = 0.0, 0
    while dead < n and log_weight[order[dead]] == -math.inf:
        p_zero += prob[order[dead]]
        dead += 1
    for i in range(dead):
        out[order[i]] = (draws - 1.0) * math.log(p_zero) if p_zero > 0.0 else -math.inf
    # `share` is E[W; W <= w] / w at each weight w, `gain` by how much G grows up to the next, `fall` w over the next.
    share, gain, fall = np.empty(n), np.empty(n), np.empty(n)
    held = 0.0
    for i in range(dead, n):
        held = held * (fall[i - 1] if i > dead else 0.0) + prob[order[i]]
        share[i] = held
        fall[i] = math.exp(log_weight[order[i]] - log_weight[order[i + 1]]) if i + 1 < n else 0.0
        gain[i] = held if i + 1 == n else held * -math.expm1(log_weight[order[i]] - log_weight[order[i + 1]])
    chance = np.empty(n + 1)
    chance[dead] = p_zero
    for i in range(dead, n):
        chance[i + 1] = chance[i] + gain[i]
    # From the heaviest down: h(w) = (G_next^N - G^N) / share + (w / next) h(next); 1 - G from the top, too.
    miss, h = 0.0, 0.0
    for i in range(n - 1, dead - 1, -1):
        h *= fall[i]
        # Equals in a row are one step of G.
        if gain[i] > 0.0:
            log_next = math.log(chance[i + 1]) if chance[i + 1] < 0.5 else math.log1p(-miss)
            drop = gain[i] / math.exp(log_next)
            grown = -math.expm1(draws * math.log1p(-drop)) if drop < 1.0 else 1.0
            h += math.exp(draws * log_next) * grown / share[i]
        out[order[i]] = math.log(h) if h > 0.0 else -math.inf
        miss += gain[i]


@kernel
def race_kinds(rho, log_weight, draws, kept):
    """For each state: of `draws` particles of law rho one is kept by a race; the probability of each kind."""
    for s in range(rho.shape[0]):
        live = np.flatnonzero(rho[s] > 0.0)
        log_h = np.empty(len(live))
        race_by_log(rho[s][live], log_weight[live], draws, log_h)
        for j in range(len(live)):
            kept[s, live[j]] = rho[s, live[j]] * math.exp(log_h[j])


@kernel
def race_edges(lo, hi, layer, value, draws, out):
    """The conditional law on every edge when `draws` children are drawn and one kept by a race of their values."""
    ptr, prob, child = layer
    mantissa, exponent = value
    out_mantissa, out_exponent = out
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for v in range(lo, hi):
        start, stop = ptr[v] - base, ptr[v + 1] - base
        alive = np.flatnonzero(prob[start:stop] > 0.0)
        log_weight, chance, log_h = np.empty(len(alive)), np.empty(len(alive)), np.empty(len(alive))
        out_mantissa[start:stop] = 0.0
        out_exponent[start:stop] = 0
        for i in range(len(alive)):
            k = start + alive[i]
            c = k if is_tree else child[k]
            chance[i] = prob[k]
            log_weight[i] = math.log(mantissa[c]) + exponent[c] * LN2 if mantissa[c] > 0.0 else -math.inf
        race_by_log(chance, log_weight, draws, log_h)
        for i in range(len(alive)):
            k = start + alive[i]
            factor, power = exponential(log_h[i]) if log_h[i] > -math.inf else (0.0, 0)
            out_mantissa[k], out_exponent[k] = product(factor, power, prob[k], 0)


@kernel
def run(mantissa, exponent, rng):
    """log of a weight over a uniform number, which is never zero; -inf for a weight of zero."""
    if mantissa == 0.0:
        return -math.inf
    return math.log(mantissa) + exponent * LN2 - math.log(1.0 - rng.random())


@kernel
def step_race(layer, ahead, draws, node, rng):
    """Draw `draws` edges from pi_ref and keep the one of the largest V / uniform, the first if all values are zero."""
    ptr, prob, child = layer
    mantissa, exponent = ahead
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for i in range(node.shape[0]):
        start, stop = ptr[node[i]] - base, ptr[node[i] + 1] - base
        best, chosen = -math.inf, 0
        for j in range(draws):
            k = draw_edge(start, stop, prob, rng)
            c = k if is_tree else child[k]
            if j == 0:
                chosen = k
            score = run(mantissa[c], exponent[c], rng)
            if score > best:
                best, chosen = score, k
        node[i] = chosen


@kernel
def race_columns(leaf, reward, rng, out):
    """The column of each row's leaf of the largest reward / uniform, the first if all are zero."""
    mantissa, exponent = reward
    for i in range(leaf.shape[0]):
        best, chosen = -math.inf, 0
        for j in range(leaf.shape[1]):
            x = leaf[i, j]
            score = run(mantissa[x], exponent[x], rng)
            if score > best:
                best, chosen = score, j
        out[i] = chosen


@kernel
def race_run(runs, state, out):
    """The particle of every replicate of the largest weight / uniform: its run."""
    for r in range(out.shape[0]):
        best, chosen = -math.inf, 0
        for i in range(runs.size[r]):
            members, weight = runs.members[r, i], runs.weight[r, i]
            if members > 0 and weight > 0.0:
                # The least of as many uniforms as there are members.
                least = -math.expm1(math.log1p(-uniform(state)) / members)
                score = math.log(weight) - math.log(least) if least > 0.0 else math.inf
                if score > best:
                    best, chosen = score, i
        out[r] = chosen

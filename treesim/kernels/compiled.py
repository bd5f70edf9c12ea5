"""Loops over trees that users define by functions: made for each class of trees, so that the functions are inlined.

A tree is ``(fields, horizon, root)``: the tuple that makes the users' ``self``, how many levels are below the root, and
its state. A kernel that meets what it may not ends with a code, the state it was at in place 0 of its room.
"""

from typing import Any, NamedTuple

import numpy as np

from treesim.kernels import walker
from treesim.kernels.states import get, kept_by_code, put

# What went wrong: probabilities, their sum, a reward, a value, no room for more rewards, or for more children, and
# states that are not as many as probabilities.
FINE, ODD_PROBABILITY, ODD_SUM, ODD_REWARD, ODD_VALUE, MANY_REWARDS, MANY_CHILDREN, ODD_LENGTH = range(8)

# Numbers between these, or zero: products of two stay far inside the range of a float.
LEAST, MOST = 1e-150, 1e150
SUM_TOLERANCE = 1e-12

# Of tables with open places: what spreads their keys.
MIX = np.uint64(0x9E3779B97F4A7C15)
ZERO, ONE = np.uint64(0), np.uint64(1)
HIGH_BITS = np.uint64(32)

# Columns of the figures of a level: sup of the error; its mean under pi_ref and what rounding lost of it; the same
# under pi~; whether that is infinite.
SUP, REFERENCE, REFERENCE_LOST, TARGET, TARGET_LOST, TARGET_INFINITE = range(6)


class Functions(NamedTuple):
    """A user's compiled functions, what makes their ``self`` of the fields, and perhaps a digest of all code."""

    children: Any
    reward: Any
    value: Any
    fields: Any
    code: str | None = None

    def code_of(self, kernel: str) -> str | None:
        """The digest under which a kernel that holds them is kept."""
        return None if self.code is None else f"{kernel} {self.code}"


@walker
def is_odd(number):
    """Whether it is no reward or value: neither zero nor in range."""
    return not (LEAST <= number <= MOST or number == 0.0)


@walker
def mixed(key, word):
    """A key with one more word in it, places of a table being told by its high bits: each bit of both counts there.

    Of round floats the low bits are all zero, so the high ones are laid over them first.
    """
    key ^= word
    return (key ^ (key >> HIGH_BITS)) * MIX


@walker
def slot_of(keys, number):
    """Where a number stands in a table, or would stand: an empty place is negative."""
    mask = np.uint64(keys.shape[0] - 1)
    i = (mixed(ZERO, np.float64(number).view(np.uint64)) >> HIGH_BITS) & mask
    while keys[i] != number and keys[i] >= 0.0:
        i = (i + ONE) & mask
    return i


@walker
def kahan(figures, t, column, term):
    """Add a term to a sum whose lost digits stand beside it."""
    term -= figures[t, column + 1]
    before = figures[t, column]
    after = before + term
    figures[t, column + 1] = (after - before) - term
    figures[t, column] = after


@walker
def error_of(value, ahead):
    """max(rho, 1 / rho) - 1 of rho = P V^ / V^; infinite where one of the two is zero."""
    return 0.0 if ahead == value else max(ahead, value) / min(ahead, value) - 1.0


def make_reward_walk(functions: Functions) -> Any:
    """The walk that finds V* of the root, and the law of the reward below it."""
    children, reward, fields_of = functions.children, functions.reward, functions.fields

    @walker
    def walk_rewards(tree, room, prob, at, table):
        """Depth first. Returns a code, V*, nodes, leaves, most children; sums in `table` the masses of rewards."""
        fields, horizon, root = tree
        keys, mass, lost = table
        self = fields_of(*fields)
        width, most = prob.shape[1], keys.shape[0] // 2
        reach, twist, count = np.empty(horizon), np.empty(horizon), np.empty(horizon, np.int64)
        nodes, leaves, widest, different = 0, 0, 0, 0
        t, state, here = 0, root, 1.0
        # The nodes on the way to `state` are open: their children 0..at[t] are done, and summed in twist[t].
        while True:
            states, probs = children(self, state)
            if len(states) != len(probs):
                put(room, 0, state)
                return ODD_LENGTH, float(len(states)), nodes, len(probs), widest
            nodes, widest = nodes + 1, max(widest, len(states))
            total, value = 0.0, 0.0
            if t == horizon - 2:
                # Two levels at once: their loops need no stack.
                for k in range(len(states)):
                    p = probs[k]
                    total += p
                    if p < LEAST:
                        if p == 0.0:
                            continue
                        put(room, 0, state)
                        return ODD_PROBABILITY, p, nodes, leaves, widest
                    ends, steps = children(self, states[k])
                    if len(ends) != len(steps):
                        put(room, 0, states[k])
                        return ODD_LENGTH, float(len(ends)), nodes, len(steps), widest
                    nodes, widest = nodes + 1, max(widest, len(ends))
                    sum_of_steps, mean = 0.0, 0.0
                    for j in range(len(ends)):
                        q = steps[j]
                        sum_of_steps += q
                        if q < LEAST:
                            if q == 0.0:
                                continue
                            put(room, 0, states[k])
                            return ODD_PROBABILITY, q, nodes, leaves, widest
                        phi = reward(self, ends[j])
                        mean += q * phi
                        leaves += 1
                        if is_odd(phi):
                            put(room, 0, ends[j])
                            return ODD_REWARD, phi, nodes, leaves, widest
                        if most > 0:
                            i = slot_of(keys, phi)
                            if keys[i] < 0.0:
                                different += 1
                                if different > most:
                                    return MANY_REWARDS, 0.0, nodes, leaves, widest
                                keys[i] = phi
                            term = here * p * q - lost[i]
                            after = mass[i] + term
                            lost[i] = (after - mass[i]) - term
                            mass[i] = after
                    if not abs(sum_of_steps - 1.0) <= SUM_TOLERANCE:
                        put(room, 0, states[k])
                        return ODD_SUM, sum_of_steps, nodes, leaves, widest
                    value += p * mean
                if not abs(total - 1.0) <= SUM_TOLERANCE:
                    put(room, 0, state)
                    return ODD_SUM, total, nodes, leaves, widest
            else:
                n = 0
                for k in range(len(states)):
                    p = probs[k]
                    total += p
                    if p < LEAST:
                        if p == 0.0:
                            continue
                        put(room, 0, state)
                        return ODD_PROBABILITY, p, nodes, leaves, widest
                    if n == width:
                        return MANY_CHILDREN, float(len(states)), nodes, leaves, widest
                    put(room, t * width + n, states[k])
                    prob[t, n] = p
                    n += 1
                if not abs(total - 1.0) <= SUM_TOLERANCE:
                    put(room, 0, state)
                    return ODD_SUM, total, nodes, leaves, widest
                reach[t], twist[t], count[t], at[t] = here, 0.0, n, 0
                state, here = get(room, t * width, root), here * prob[t, 0]
                t += 1
                continue
            # `value` is V* of a node at level t that is done: so may be those above it.
            while True:
                if t == 0:
                    return FINE, value, nodes, leaves, widest
                t -= 1
                k = at[t]
                twist[t] += prob[t, k] * value
                k += 1
                if k < count[t]:
                    at[t] = k
                    state, here = get(room, t * width + k, root), reach[t] * prob[t, k]
                    t += 1
                    break
                value = twist[t]

    return kept_by_code(walk_rewards, functions.code_of("rewards"))


def make_value_walk(functions: Functions) -> Any:
    """The walk that finds how far V^ is from V*, and guidance by V^ from the target."""
    children, reward, value_of, fields_of = functions[:4]

    @walker
    def walk_values(tree, masses, room, prob, value, at, figures):
        """Depth first. Returns a code, the largest ratio, and the sum of |pi^ - pi~| over the prefixes one step short.

        `masses` are pi_ref and pi^ of the root, and 1 / Z; `figures [horizon, 6]` are of the levels below it.
        """
        fields, horizon, root = tree
        reach_root, guided_root, per_partition = masses
        self = fields_of(*fields)
        width = prob.shape[1]
        reach, twist, count = np.empty(horizon), np.empty(horizon), np.empty(horizon, np.int64)
        mean, tilt, own = np.empty(horizon), np.empty(horizon), np.empty(horizon)
        ratio, gap, gap_lost = 1.0, 0.0, 0.0
        # Figures of the two lowest levels, where most nodes are, stay in registers: sup, and means with what they lost.
        sup, reference, reference_lost, target, target_lost, infinite = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        sup_up, reference_up, reference_up_lost, target_up, target_up_lost, infinite_up = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        t, state, here, guided, v = 0, root, reach_root, guided_root, value_of(self, root)
        if is_odd(v):
            put(room, 0, root)
            return ODD_VALUE, v, 0.0
        # As in `walk_rewards`; tilt[t] is what pi^ of a child is in units of p V^.
        while True:
            states, probs = children(self, state)
            if len(states) > width:
                return MANY_CHILDREN, float(len(states)), 0.0
            ahead, low, high, n = 0.0, v, v, 0
            for k in range(len(states)):
                p = probs[k]
                if p == 0.0:
                    continue
                w = value_of(self, states[k])
                ahead += p * w
                low, high = min(low, w), max(high, w)
                value[t, n] = w
                if t < horizon - 2:
                    put(room, t * width + n, states[k])
                    prob[t, n] = p
                n += 1
            if not (low >= LEAST and high <= MOST and ahead >= 0.0):
                for k in range(len(states)):
                    if probs[k] > 0.0 and is_odd(value_of(self, states[k])):
                        put(room, 0, states[k])
                        return ODD_VALUE, value_of(self, states[k]), 0.0
            if high > ratio * v:
                ratio = high / v
            if v > ratio * low:
                ratio = v / low
            tilted = guided / ahead if ahead > 0.0 else guided
            if t < horizon - 2:
                reach[t], twist[t], count[t], at[t], mean[t], own[t], tilt[t] = here, 0.0, n, 0, ahead, v, tilted
                p, v = prob[t, 0], value[t, 0]
                state, here, guided = get(room, t * width, root), here * p, tilted * p * (v if ahead > 0.0 else 1.0)
                t += 1
                continue
            # Two levels at once, as in `walk_rewards`.
            star, here_reference, here_target, here_gap, n = 0.0, -reference_lost, -target_lost, -gap_lost, 0
            for k in range(len(states)):
                p = probs[k]
                if p == 0.0:
                    continue
                w = value[t, n]
                n += 1
                ends, steps = children(self, states[k])
                below, low, high = 0.0, w, w
                for j in range(len(ends)):
                    q = steps[j]
                    if q == 0.0:
                        continue
                    phi = reward(self, ends[j])
                    below += q * phi
                    low, high = min(low, phi), max(high, phi)
                if high > ratio * w:
                    ratio = high / w
                if w > ratio * low:
                    ratio = w / low
                mass = here * p
                share = mass * below * per_partition
                here_gap += abs(tilted * p * (w if ahead > 0.0 else 1.0) - share)
                star += p * below
                error = error_of(w, below)
                sup = max(sup, error)
                if error < np.inf:
                    here_reference += mass * error
                    here_target += share * error
                elif below > 0.0:
                    infinite = 1.0
            # Kahan's sums, term by term: what was lost before is in the terms.
            after = gap + here_gap
            gap, gap_lost = after, (after - gap) - here_gap
            after = reference + here_reference
            reference, reference_lost = after, (after - reference) - here_reference
            after = target + here_target
            target, target_lost = after, (after - target) - here_target
            error = error_of(v, ahead)
            sup_up = max(sup_up, error)
            if error < np.inf:
                here_reference, here_target = here * error - reference_up_lost, here * star * per_partition * error
                here_target -= target_up_lost
                after = reference_up + here_reference
                reference_up, reference_up_lost = after, (after - reference_up) - here_reference
                after = target_up + here_target
                target_up, target_up_lost = after, (after - target_up) - here_target
            elif star > 0.0:
                infinite_up = 1.0
            # The node at level t is done, all its children being so: its parent is told, which may be done, too.
            while t > 0:
                t -= 1
                k = at[t]
                twist[t] += prob[t, k] * star
                k += 1
                if k < count[t]:
                    at[t] = k
                    p, v = prob[t, k], value[t, k]
                    state, here = get(room, t * width + k, root), reach[t] * p
                    guided = tilt[t] * p * (v if mean[t] > 0.0 else 1.0)
                    t += 1
                    break
                star = twist[t]
                error = error_of(own[t], mean[t])
                figures[t, SUP] = max(figures[t, SUP], error)
                if error < np.inf:
                    kahan(figures, t, REFERENCE, reach[t] * error)
                    kahan(figures, t, TARGET, reach[t] * star * per_partition * error)
                elif star > 0.0:
                    figures[t, TARGET_INFINITE] = 1.0
            else:
                lowest = (sup, reference, reference_lost, target, target_lost, infinite)
                above = (sup_up, reference_up, reference_up_lost, target_up, target_up_lost, infinite_up)
                for column in range(6):
                    figures[horizon - 1, column] = lowest[column]
                    figures[horizon - 2, column] = above[column]
                return FINE, ratio, gap - gap_lost

    return kept_by_code(walk_values, functions.code_of("values"))

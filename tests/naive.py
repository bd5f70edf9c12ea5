"""Slow and obvious: every exact figure again, in rational arithmetic and by plain enumeration."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from functools import cache

from treesim import Tree

Vector = list[Fraction]


def fractions(numbers: Sequence[float]) -> Vector:
    return [Fraction(x) if isinstance(x, Fraction) else Fraction(float(x)) for x in numbers]


def children(tree: Tree, node: int) -> list[tuple[int, Fraction]]:
    """(child, probability) of an inner node."""
    edges = range(tree.edge_ptr[node], tree.edge_ptr[node + 1])
    return [(e + 1, Fraction(float(tree.edge_prob[e]))) for e in edges]


def inner_nodes(tree: Tree) -> range:
    return range(len(tree.edge_ptr) - 1)


def twist(tree: Tree, reward: Vector) -> Vector:
    """V* of every node."""
    value = [Fraction(0)] * (tree.n_nodes - tree.n_leaves) + list(reward)
    for v in reversed(inner_nodes(tree)):
        value[v] = sum(p * value[c] for c, p in children(tree, v))
    return value


def weighted_twist(trellis, reward: Vector) -> list[Vector]:
    """V* of every node of a trellis whose edges carry potentials, level by level."""
    levels = [list(reward)]
    for t in reversed(range(trellis.horizon)):
        layer, potential = trellis.layer(t), trellis.potential(t)
        levels.append([
            sum(
                Fraction(float(layer.prob[e])) * Fraction(float(potential.mantissa[e]))
                * Fraction(2) ** int(potential.exponent[e]) * levels[-1][layer.child[e]]
                for e in range(layer.ptr[v], layer.ptr[v + 1])
            )
            for v in range(len(layer.ptr) - 1)
        ])  # fmt: skip
    return levels[::-1]


def reachable(tree: Tree) -> list[bool]:
    reach = [True] + [False] * tree.n_edges
    for v in inner_nodes(tree):
        for c, p in children(tree, v):
            reach[c] = reach[v] and p > 0
    return reach


def bellman_errors(tree: Tree, value: Vector) -> dict[int, Fraction | None]:
    """max(rho, 1/rho) - 1 of every reachable inner node; None is infinite."""
    errors: dict[int, Fraction | None] = {}
    reach = reachable(tree)
    for v in inner_nodes(tree):
        if not reach[v]:
            continue
        ahead = sum(p * value[c] for c, p in children(tree, v))
        if ahead == 0 and value[v] == 0:
            errors[v] = Fraction(0)
        elif ahead == 0 or value[v] == 0:
            errors[v] = None
        else:
            rho = ahead / value[v]
            errors[v] = max(rho, 1 / rho) - 1
    return errors


def ratio_bound(tree: Tree, value: Vector) -> Fraction | None:
    """The largest of V(c)/V(v) and its inverse over reachable edges; None is infinite."""
    best = Fraction(0)
    reach = reachable(tree)
    for v in inner_nodes(tree):
        for c, p in children(tree, v):
            if not (reach[v] and p > 0) or value[v] == value[c] == 0:
                continue
            if value[v] == 0 or value[c] == 0:
                return None
            best = max(best, value[c] / value[v], value[v] / value[c])
    return best


def reach(tree: Tree) -> Vector:
    """pi_ref of every node."""
    mass = [Fraction(1)] + [Fraction(0)] * tree.n_edges
    for v in inner_nodes(tree):
        for c, p in children(tree, v):
            mass[c] = mass[v] * p
    return mass


def average_case_bound(tree: Tree, value: Vector) -> Vector:
    """TV(mu_t, nu_t) of the levels below the root; 1 where V^ gives no prefix any weight."""
    mass, ahead = reach(tree), [sum(p * value[c] for c, p in children(tree, v)) for v in inner_nodes(tree)]
    distances = []
    for t in range(1, tree.horizon):
        nodes = range(tree.level_ptr[t], tree.level_ptr[t + 1])
        mu, nu = ([mass[v] * number[v] for v in nodes] for number in (value, ahead))
        distances.append(tv(normalised(mu), normalised(nu)) if any(mu) and any(nu) else Fraction(1))
    return distances


def walk_law(tree: Tree, step) -> Vector:
    """Law of the leaves when ``step(node, children)`` gives the law of the next child."""
    mass = [Fraction(1)] + [Fraction(0)] * tree.n_edges
    for v in inner_nodes(tree):
        edges = children(tree, v)
        for (c, _), q in zip(edges, step(v, edges), strict=True):
            mass[c] = mass[v] * q
    return mass[tree.n_nodes - tree.n_leaves :]


def reference(tree: Tree) -> Vector:
    return walk_law(tree, lambda v, edges: [p for _, p in edges])


def target(tree: Tree, reward: Vector) -> Vector:
    return normalised([p * r for p, r in zip(reference(tree), reward, strict=True)])


def normalised(weights: Vector) -> Vector:
    total = sum(weights)
    return [w / total for w in weights]


def guided(tree: Tree, value: Vector) -> Vector:
    def step(v, edges):
        weights = [p * value[c] for c, p in edges]
        return normalised(weights) if any(weights) else [p for _, p in edges]

    return walk_law(tree, step)


def pooled(tree: Tree, value: Vector, pool: int) -> Vector:
    """Every ordered pool of children, one kept in proportion to its value."""
    return walk_law(tree, lambda v, edges: weighted_pick([p for _, p in edges], [value[c] for c, _ in edges], pool))


def weighted_pick(prob: Vector, weight: Vector, draws: int) -> Vector:
    law = [Fraction(0)] * len(prob)
    for drawn in itertools.product(range(len(prob)), repeat=draws):
        chance = product(prob[i] for i in drawn)
        total = sum(weight[i] for i in drawn)
        for i in drawn:
            law[i] += chance * (weight[i] / total if total else Fraction(1, draws))
    return law


def best_of(prob: Vector, reward: Vector, draws: int) -> Vector:
    law = [Fraction(0)] * len(prob)
    for drawn in itertools.product(range(len(prob)), repeat=draws):
        top = max(reward[i] for i in drawn)
        winners = [i for i in drawn if reward[i] == top]
        for i in winners:
            law[i] += product(prob[i] for i in drawn) / len(winners)
    return law


def vote(mass, weight, answer, is_correct, votes: int) -> Fraction:
    """The chance that the heaviest answer is right, ties uniform; what the masses lack of one does not vote."""
    mass = [*fractions(mass), 1 - sum(fractions(mass))]
    won = Fraction(0)
    for drawn in itertools.product(range(len(mass)), repeat=votes):
        total: dict[int, Fraction] = {}
        for i in drawn:
            if i < len(weight) and answer[i] >= 0:
                total[answer[i]] = total.get(answer[i], Fraction(0)) + Fraction(weight[i])
        first = [each for each in total if total[each] == max(total.values())]
        if first:
            won += product(mass[i] for i in drawn) * Fraction(sum(bool(is_correct[each]) for each in first), len(first))
    return won


def win_rate(law: Vector, other: Vector, score: Vector) -> Fraction:
    """How often a draw of one law beats a draw of another, ties counting half."""
    return sum(
        (p * q * (Fraction(1, 2) if x == y else Fraction(x > y))
         for p, x in zip(law, score, strict=True) for q, y in zip(other, score, strict=True)),
        Fraction(0),
    )  # fmt: skip


def rejection(prob: Vector, reward: Vector, envelope: Fraction, budget: int, fallback: str) -> tuple[Vector, Fraction]:
    """The law, draw by draw, and the mass that returns nothing."""
    law = [Fraction(0)] * len(prob)
    left = Fraction(1)
    for i in range(budget):
        is_last = i == budget - 1
        for x, (p, r) in enumerate(zip(prob, reward, strict=True)):
            accept = r / envelope
            law[x] += left * p * (accept + (1 - accept) * (is_last and fallback == "last"))
        left *= 1 - sum(p * r / envelope for p, r in zip(prob, reward, strict=True))
    if fallback == "last":
        return law, Fraction(0)
    if fallback == "base":
        return [q + left * p for q, p in zip(law, prob, strict=True)], Fraction(0)
    return law, left


def beam(tree: Tree, value: Vector, width: int, score: str) -> int | None:
    """The leaf that beam search returns; None if two scores differ by no more than floats can tell."""
    kept = [(0, Fraction(1))]
    for _ in range(tree.horizon):
        found = [(c, q * p) for v, q in kept for c, p in children(tree, v) if p > 0]
        scores = {c: value[c] * (q if score == "target" else 1) for c, q in found}
        found.sort(key=lambda pair: (-scores[pair[0]], pair[0]))
        for (a, _), (b, _) in itertools.pairwise(found):
            if 0 < scores[a] - scores[b] < scores[a] / 10**12:
                return None
        kept = found[:width]
    return kept[0][0] - (tree.n_nodes - tree.n_leaves)


def smc(tree: Tree, value: Vector, particles: int, proposal: str, pinned: Sequence[int] | None = None) -> Vector:
    """N-particle SMC, multinomial resampling at every step: every ordered population.

    If nodes from level 1 on are pinned, the first particle takes them and is its own ancestor (conditional SMC).
    """
    law = [Fraction(0)] * tree.n_leaves

    @cache
    def moves(v: int) -> list[tuple[int, Fraction, Fraction]]:
        """(child, probability, weight) of one particle."""
        edges = [(c, p) for c, p in children(tree, v) if p > 0]
        before = value[v] if value[v] else Fraction(1)
        if proposal == "reference":
            return [(c, p, value[c] / before) for c, p in edges]
        norm = sum(p * value[c] for c, p in edges)
        if not norm:
            return [(c, p, Fraction(0)) for c, p in edges]
        return [(c, p * value[c] / norm, norm / before) for c, p in edges if value[c]]

    def forced(v: int, c: int) -> list[tuple[int, Fraction, Fraction]]:
        before = value[v] if value[v] else Fraction(1)
        gain = value[c] if proposal == "reference" else sum(p * value[b] for b, p in children(tree, v))
        return [(c, Fraction(1), gain / before)]

    populations = {(0,) * particles: Fraction(1)}
    for t in range(1, tree.horizon + 1):
        after: dict[tuple[int, ...], Fraction] = defaultdict(Fraction)
        for population, chance in populations.items():
            options = [moves(v) for v in population]
            if pinned is not None:
                options[0] = forced(population[0], pinned[t - 1])
            for steps in itertools.product(*options):
                here = chance * product(p for _, p, _ in steps)
                weights = [w for _, _, w in steps]
                shares = normalised(weights) if any(weights) else [Fraction(1, particles)] * particles
                if t == tree.horizon:
                    for (c, _, _), share in zip(steps, shares, strict=True):
                        law[c - (tree.n_nodes - tree.n_leaves)] += here * share
                    continue
                for drawn in itertools.product(range(particles), repeat=particles):
                    if pinned is not None and drawn[0] != 0:
                        continue
                    survived = product(shares[i] for i in (drawn if pinned is None else drawn[1:]))
                    if survived:
                        after[tuple(steps[i][0] for i in drawn)] += here * survived
        populations = after
    return law


def pooled_walks(tree: Tree, value: Vector, pool: int) -> dict[tuple[int, Fraction], Fraction]:
    """Probability of every (leaf, product of pool mean / value before), by every ordered pool at every step."""
    atoms = {(0, Fraction(1)): Fraction(1)}
    for _ in range(tree.horizon):
        after: dict[tuple[int, Fraction], Fraction] = {}
        for (v, weight), chance in atoms.items():
            edges = children(tree, v)
            for drawn in itertools.product(range(len(edges)), repeat=pool):
                here = chance * product(edges[i][1] for i in drawn)
                total = sum(value[edges[i][0]] for i in drawn)
                for i in drawn:
                    c = edges[i][0]
                    kept = value[c] / total if total else Fraction(1, pool)
                    # The value of the child stands in the next step's denominator.
                    key = (c, weight * (total / pool) / value[c] if value[c] else Fraction(0))
                    if here * kept:
                        after[key] = after.get(key, Fraction(0)) + here * kept
        atoms = after
    first = tree.n_nodes - tree.n_leaves
    return {(c - first, weight * value[c]): chance for (c, weight), chance in atoms.items()}


def metropolis(q: Vector, weight: Vector, steps: int) -> Vector:
    """Law over atoms after `steps` offers, the first always taken, later ones with probability min(1, w'/w)."""
    rows = [[offer if b >= a else offer * b / a for offer, b in zip(q, weight, strict=True)] for a in weight]
    for x, row in enumerate(rows):
        row[x] += 1 - sum(row)
    law = list(q)
    for _ in range(steps - 1):
        law = [sum(mass * row[y] for mass, row in zip(law, rows, strict=True)) for y in range(len(q))]
    return law


def tv(p: Vector, q: Vector, failure: Fraction = Fraction(0)) -> Fraction:
    return (sum(abs(a - b) for a, b in zip(p, q, strict=True)) + failure) / 2


def chi2(p: Vector, q: Vector) -> Fraction:
    return sum(((a - b) ** 2 / b for a, b in zip(p, q, strict=True) if b), Fraction(0))


def product(numbers) -> Fraction:
    result = Fraction(1)
    for x in numbers:
        result *= x
    return result


def slopes(tree: Tree, reward: Vector, u: Vector) -> dict[str, Vector]:
    """Derivatives by x of losses of learned values e^x Z at the prefixes of levels 1 to T - 1, where e^x is `u`."""
    inner = range(1, tree.n_nodes - tree.n_leaves)
    star, r = twist(tree, reward), reach(tree)
    m = [r[v] * star[v] / star[0] for v in range(tree.n_nodes)]
    grown = [Fraction(1), *u, *(phi / star[0] for phi in reward)]
    levels = [range(tree.level_ptr[t], tree.level_ptr[t + 1]) for t in range(1, tree.horizon)]
    norm = {v: sum(r[w] * grown[w] for w in level) for level in levels for v in level}
    step = {c: p * grown[c] / total for v in inner_nodes(tree) for c, p, total in _shares(tree, v, grown) if total}
    parent = {c: v for v in inner_nodes(tree) for c, _ in children(tree, v)}
    return {
        "ctl": [r[v] * grown[v] / norm[v] - m[v] for v in inner],
        "poisson": [r[v] * grown[v] - m[v] for v in inner],
        "sixo": [(r[v] * grown[v] - m[v]) / (1 + grown[v]) for v in inner],
        "returns": [(r[v] * grown[v] - m[v]) * grown[v] for v in inner],
        "cross-entropy": [r[v] * grown[v] / (1 + grown[v]) - m[v] * star[0] for v in inner],
        "step": [m[parent[v]] * step.get(v, Fraction(0)) - m[v] for v in inner],
    }


def _shares(tree: Tree, node: int, weight: Vector) -> list[tuple[int, Fraction, Fraction]]:
    edges = children(tree, node)
    total = sum(p * weight[c] for c, p in edges)
    return [(c, p, total) for c, p in edges]

"""The built-in samplers once more, as their users would write them: against the oracle, in plain Python.

`treesim.exact_law` enumerates them, so that their laws and costs are found by a way of its own. What a sampler has to
know of the instance beforehand, such as an envelope, it is given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


def drawn(oracle, prefix=None):
    """A path by pi_ref, from a prefix on."""
    prefix = oracle.root if prefix is None else prefix
    while prefix.level < oracle.horizon:
        prefix = oracle.draw(prefix)
    return prefix


def pick(things, weights, rng):
    """One in proportion to its weight; any, if all are zero."""
    total = math.fsum(weights)
    if total == 0.0:
        return things[rng.integers(len(things))]
    return things[rng.choice(len(things), p=[weight / total for weight in weights])]


def race(things, weights, rng):
    """The one of the largest weight over a uniform number."""
    if not any(weights):
        return things[rng.integers(len(things))]
    best, fastest = None, math.inf
    for thing, weight in zip(things, weights, strict=True):
        if weight > 0.0:
            time = rng.random() / weight
            if time < fastest:
                best, fastest = thing, time
    return best


class Base:
    def simulate(self, oracle, rng):
        return drawn(oracle)


@dataclass
class BestOfN:
    n: int

    def simulate(self, oracle, rng):
        pool = [drawn(oracle) for _ in range(self.n)]
        values = [oracle.value(path) for path in pool]
        return pick([path for path, value in zip(pool, values, strict=True) if value == max(values)], [0.0], rng)


@dataclass
class SoftBestOfN:
    n: int
    temperature: float = 1.0

    def simulate(self, oracle, rng):
        pool = [drawn(oracle) for _ in range(self.n)]
        return pick(pool, [oracle.value(path) ** (1.0 / self.temperature) for path in pool], rng)


@dataclass
class Importance:
    n: int

    def simulate(self, oracle, rng):
        pool = [drawn(oracle) for _ in range(self.n)]
        return pick(pool, [oracle.value(path) for path in pool], rng)


@dataclass
class Race:
    n: int

    def simulate(self, oracle, rng):
        pool = [drawn(oracle) for _ in range(self.n)]
        return race(pool, [oracle.value(path) for path in pool], rng)


@dataclass
class Rejection:
    budget: int
    envelope: float
    fallback: str = "last"

    def simulate(self, oracle, rng):
        for _ in range(self.budget):
            path = drawn(oracle)
            if rng.random() * self.envelope < oracle.value(path):
                return path
        if self.fallback == "base":
            return drawn(oracle)
        return path if self.fallback == "last" else None


@dataclass
class Beam:
    width: int
    score: str = "target"

    def simulate(self, oracle, rng):
        beam = [(oracle.root, 1.0)]
        for _ in range(oracle.horizon):
            found = [(child, mass * prob) for prefix, mass in beam for child, prob in oracle.children(prefix)]
            found.sort(key=lambda each: each[0].choices)
            scores = {child: oracle.value(child) * (mass if self.score == "target" else 1.0) for child, mass in found}
            beam = sorted(found, key=lambda each: -scores[each[0]])[: self.width]
        return beam[0][0]


def guided(oracle, rng):
    """A path in proportion to pi_ref V^ at each step; what it weighs, pi_ref phi over its law; and P V^ of the root."""
    prefix, weight, first = oracle.root, 1.0, None
    while prefix.level < oracle.horizon:
        children = oracle.children(prefix)
        values = [oracle.value(child) for child, _ in children]
        shares = [prob * value for (_, prob), value in zip(children, values, strict=True)]
        norm = math.fsum(shares)
        first = norm if first is None else first
        law = [share / norm for share in shares] if norm > 0.0 else [prob for _, prob in children]
        i = rng.choice(len(children), p=law)
        prefix, value = children[i][0], values[i]
        weight *= children[i][1] / law[i]
    return prefix, weight * value, first


def pooled(oracle, rng, pool, keep=pick):
    """A path by a pool of draws at each step, and what it weighs."""
    prefix, weight, value = oracle.root, 1.0, 1.0
    while prefix.level < oracle.horizon:
        children = [oracle.draw(prefix) for _ in range(pool)]
        values = [oracle.value(child) for child in children]
        prefix, value = keep(list(zip(children, values, strict=True)), values, rng)
        weight = weight * math.fsum(values) / pool / value if value else 0.0
    return prefix, weight * value


class Guided:
    def simulate(self, oracle, rng):
        return guided(oracle, rng)[0]


@dataclass
class Pool:
    pool: int
    select: str = "weight"

    def simulate(self, oracle, rng):
        return pooled(oracle, rng, self.pool, race if self.select == "race" else pick)[0]


@dataclass
class Metropolis:
    """Guided paths, or with a pool, offered to a chain."""

    mh: int
    pool: int = 0

    def simulate(self, oracle, rng):
        path, weight = self.offer(oracle, rng)
        for _ in range(self.mh - 1):
            offer, offered = self.offer(oracle, rng)
            if offered == weight or rng.random() * weight < offered:
                path, weight = offer, offered
        return path

    def offer(self, oracle, rng):
        return pooled(oracle, rng, self.pool) if self.pool else guided(oracle, rng)[:2]


@dataclass
class GuidedRejection:
    reject: int
    largest: float

    def simulate(self, oracle, rng):
        for _ in range(self.reject - 1):
            path, weight, _ = guided(oracle, rng)
            if rng.random() * self.largest < weight:
                return path
        return guided(oracle, rng)[0]


@dataclass
class Chebyshev:
    """Weights rounded to the ends of an interval; a high or a low path is kept by how many are high."""

    n: int
    bound: float
    high_chance: tuple

    def simulate(self, oracle, rng):
        high, low = [], []
        for _ in range(self.n):
            path, weight, first = guided(oracle, rng)
            up = (weight / first - 1.0 / self.bound) / (self.bound - 1.0 / self.bound)
            (high if rng.random() < up else low).append(path)
        kept = high if rng.random() < self.high_chance[len(high)] else low
        return kept[rng.integers(len(kept))]


class Particle:
    """A path so far, the value at its end, and its weight."""

    def __init__(self, way, value, weight):
        self.way, self.value, self.weight = way, value, weight

    @property
    def prefix(self):
        return self.way[-1]


@dataclass
class SMC:
    particles: int
    resampling: str = "multinomial"
    threshold: float = 1.0
    proposal: str = "reference"
    pool: int = 0
    final: str = "weight"

    def simulate(self, oracle, rng):
        return self.run(oracle, rng, None)[-1]

    def run(self, oracle, rng, pinned):
        """The path of one run; if one is pinned the first particle takes it, and survives."""
        n = self.particles
        cloud = [Particle([oracle.root], known(oracle, oracle.root), 1.0) for _ in range(n)]
        for t in range(oracle.horizon):
            path = None if pinned is None else pinned[t + 1]
            cloud = [self.moved(oracle, rng, each, path if i == 0 else None) for i, each in enumerate(cloud)]
            total = math.fsum(each.weight for each in cloud)
            if total == 0.0:
                for each in cloud:
                    each.weight, total = 1.0, float(n)
            shares = [each.weight / total for each in cloud]
            if t + 1 == oracle.horizon:
                break
            if self.threshold < 1.0 and 1.0 / math.fsum(share**2 for share in shares) >= self.threshold * n:
                continue
            if pinned is None:
                # The order of the particles is part of the schemes but the first.
                order = sorted(range(n), key=lambda i: cloud[i].prefix.choices)
                cloud, shares = [cloud[i] for i in order], [shares[i] for i in order]
                parents = ANCESTORS[self.resampling](np.array(shares), n, rng)
            else:
                parents = [0, *rng.choice(n, n - 1, p=shares)]
            cloud = [Particle(cloud[i].way, cloud[i].value, 1.0) for i in parents]
        keep = race if self.final == "race" else pick
        return keep([each.way for each in cloud], shares, rng)

    def moved(self, oracle, rng, particle, forced):
        """The particle one step on."""
        before = particle.value if particle.value > 0.0 else 1.0
        if self.proposal == "reference":
            child = oracle.draw(particle.prefix) if forced is None else forced
            value = oracle.value(child)
            return Particle([*particle.way, child], value, particle.weight * value / before)
        if self.proposal == "pool":
            children = [oracle.draw(particle.prefix) for _ in range(self.pool)]
            values = [oracle.value(child) for child in children]
            child, value = pick(list(zip(children, values, strict=True)), values, rng)
            return Particle([*particle.way, child], value, particle.weight * math.fsum(values) / self.pool / before)
        children = oracle.children(particle.prefix)
        values = {child: oracle.value(child) for child, _ in children}
        shares = [prob * values[child] for child, prob in children]
        norm = math.fsum(shares)
        if forced is None:
            forced = pick([child for child, _ in children], shares if norm else [prob for _, prob in children], rng)
        return Particle([*particle.way, forced], values[forced], particle.weight * norm / before)


def known(oracle, prefix):
    """The value of the root, which costs nothing: the theory takes it as given."""
    value = oracle.value(prefix)
    oracle._asked[0] -= 1
    return value


def multinomial(shares, n, rng):
    return rng.choice(n, n, p=shares)


def residual(shares, n, rng):
    whole = np.floor(n * shares).astype(int)
    rest = n * shares - whole
    free = n - whole.sum()
    copies = whole + (rng.multinomial(free, rest / rest.sum()) if free else 0)
    return np.repeat(np.arange(n), copies)


def stratified(shares, n, rng):
    return np.searchsorted(np.cumsum(shares), (np.arange(n) + rng.random(n)) / n).clip(max=n - 1)


def systematic(shares, n, rng):
    return np.searchsorted(np.cumsum(shares), (np.arange(n) + rng.random()) / n).clip(max=n - 1)


ANCESTORS = {"multinomial": multinomial, "residual": residual, "stratified": stratified, "systematic": systematic}


@dataclass
class ParticleGibbs:
    particles: int
    sweeps: int
    proposal: str = "reference"

    def simulate(self, oracle, rng):
        smc = SMC(self.particles, proposal=self.proposal)
        way = smc.run(oracle, rng, None)
        for _ in range(self.sweeps):
            way = smc.run(oracle, rng, way)
        return way[-1]


@dataclass
class Backtracking:
    """On prefixes, down by pi_ref V^ or back up; lazy, for so many steps, or never lazy until a leaf is visited."""

    steps: int
    leaf: int = 0

    def simulate(self, oracle, rng):
        way, left, step = [(oracle.root, 0.0)], self.leaf, 0
        while self.leaf or step < self.steps:
            step += 1
            if not self.leaf and rng.random() < 0.5:
                continue
            prefix, value = way[-1]
            if prefix.level == oracle.horizon:
                way.pop()
                continue
            children = oracle.children(prefix)
            values = [oracle.value(child) for child, _ in children]
            shares = [prob * each for (_, prob), each in zip(children, values, strict=True)]
            total = value + math.fsum(shares)
            if total == 0.0:
                if self.leaf:
                    return None
                continue
            i = rng.choice(len(shares) + 1, p=[value / total, *(share / total for share in shares)])
            if i == 0:
                way.pop()
                continue
            way.append((children[i - 1][0], values[i - 1]))
            if way[-1][0].level == oracle.horizon:
                left -= 1
                if left == 0:
                    break
        return way[-1][0] if way[-1][0].level == oracle.horizon else None


@dataclass
class Momentum:
    """The same, keeping its direction: it turns as far as V^ and what is expected of its children differ."""

    steps: int
    leaf: int = 0

    def simulate(self, oracle, rng):
        way, down, left, step, listed = [(oracle.root, 0.0)], True, self.leaf, 0, None
        while self.leaf or step < self.steps:
            step += 1
            prefix, value = way[-1]
            if prefix.level == oracle.horizon:
                # A leaf turns it up, and lets it up.
                if down:
                    down = False
                else:
                    way.pop()
                    listed = None
                continue
            if listed is None:
                children = oracle.children(prefix)
                listed = children, [oracle.value(child) for child, _ in children]
            children, values = listed
            shares = [prob * each for (_, prob), each in zip(children, values, strict=True)]
            ahead = math.fsum(shares)
            if not down:
                if prefix.level > 0 and rng.random() * max(ahead, value) < value:
                    way.pop()
                    listed = None
                else:
                    down = True
                continue
            if ahead == 0.0:
                if prefix.level == 0 and self.leaf:
                    return None
                down = False
                continue
            if prefix.level > 0 and rng.random() * value >= ahead:
                down = False
                continue
            i = rng.choice(len(shares), p=[share / ahead for share in shares])
            way.append((children[i][0], values[i]))
            listed = None
            if way[-1][0].level == oracle.horizon:
                left -= 1
                if left == 0:
                    break
        return way[-1][0] if way[-1][0].level == oracle.horizon else None


@dataclass
class RandomSuffix:
    steps: int

    def simulate(self, oracle, rng):
        way = [oracle.root]
        while way[-1].level < oracle.horizon:
            way.append(oracle.draw(way[-1]))
        value = oracle.value(way[-1])
        for _ in range(self.steps):
            new = way[: rng.integers(oracle.horizon) + 1]
            while new[-1].level < oracle.horizon:
                new.append(oracle.draw(new[-1]))
            other = oracle.value(new[-1])
            if other >= value or rng.random() * value < other:
                way, value = new, other
        return way[-1]

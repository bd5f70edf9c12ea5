"""Monotone maps of uniform numbers, and which of two such numbers is the smaller."""

from __future__ import annotations

import math
from typing import NamedTuple

from treesim.samplers.clocks import rings_first
from treesim.samplers.lazy_uniform import Uniform, is_less


class Step(NamedTuple):
    """A monotone map of a number: z -> a z + b, log z, exp z, or z ** a for z > 0."""

    kind: str
    a: float = 1.0
    b: float = 0.0

    @property
    def falls(self) -> bool:
        """Whether larger numbers have smaller images."""
        return self.a < 0.0

    def then(self, other: Step) -> Step:
        """Two affine maps in one."""
        return Step("affine", other.a * self.a, other.a * self.b + other.b)

    def image(self, z: float) -> float:
        """What becomes of a number, or of an end of an interval."""
        if self.kind == "affine":
            return self.a * z + self.b
        if self.kind == "log":
            return math.log(z) if z > 0.0 else -math.inf
        if self.kind == "exp":
            return math.exp(z) if z < _LARGEST_LOG else math.inf
        if z == 0.0:
            return math.inf if self.falls else 0.0
        return z**self.a if abs(self.a * math.log(z)) < _LARGEST_LOG else math.inf if (z > 1) != self.falls else 0.0

    def back(self, y: float) -> float:
        """Where an image comes from."""
        if self.kind == "affine":
            return (y - self.b) / self.a
        return _BACK[self.kind](1.0 / self.a).image(y)


_LARGEST_LOG = 709.78
_BACK = {"log": lambda a: Step("exp"), "exp": lambda a: Step("log"), "power": lambda a: Step("power", a)}
_AS_IT_IS, _LOG, _EXP = Step("affine"), Step("log"), Step("exp")


def comes_first(u: Uniform, u_steps: tuple[Step, ...], v: Uniform, v_steps: tuple[Step, ...]) -> bool | None:
    """Whether one number is less than another; None where that cannot be told.

    What both went through last is taken back, until intervals or clocks can be compared.

    Examples
    --------
    >>> from treesim.samplers.choices import Choices
    >>> def program(choices):
    ...     gumbel = Step("log"), Step("affine", -1.0), Step("log"), Step("affine", -1.0)
    ...     higher = (*gumbel[:-1], Step("affine", -1.0, math.log(3.0)))
    ...     return comes_first(Uniform(choices), gumbel, Uniform(choices), higher)
    >>> sorted((run.outcome, round(run.mass, 12)) for run in Choices().runs(program, budget=100))
    [(False, 0.25), (True, 0.75)]
    """
    own, others = list(u_steps), list(v_steps)
    while True:
        _push_in(own)
        _push_in(others)
        if _is_affine(own) and _is_affine(others):
            (a, b), (c, d) = (_factors(steps) for steps in (own, others))
            return is_less(u, a, b, v, c, d)
        if not own or not others:
            return None
        answer = _race(u, own, v, others)
        last, last_other = own[-1], others[-1]
        if answer is None and last.kind == last_other.kind == "power" and last.falls == last_other.falls:
            # Their logarithms are in the same order.
            logs = ([*steps[:-1], _LOG, Step("affine", steps[-1].a)] for steps in (own, others))
            answer = _race(u, next(logs), v, next(logs))
        if answer is not None or last != last_other:
            return answer
        own.pop()
        others.pop()
        if last.falls:
            own, others, u, v = others, own, v, u


def _race(u: Uniform, own: list[Step], v: Uniform, others: list[Step]) -> bool | None:
    """Whether a log(c U) + b is the first of two such, as times of clocks; None if they cannot be such times."""
    clocks, signs = [], set()
    for source, steps in ((u, own), (v, others)):
        *inner, log, outer = [_AS_IT_IS, *steps]
        factor, shift = _factors(inner)
        if log.kind != "log" or outer.kind != "affine" or len(inner) > 2 or shift or factor <= 0.0:
            return None
        signs.add(outer.falls)
        scale = abs(outer.a)
        clocks.append((source, scale, -scale * math.log(factor) + (outer.b if outer.falls else -outer.b)))
    if len(signs) > 1:
        return None
    one, other = (source.start(scale, shift) for source, scale, shift in clocks)
    if one is None or other is None:
        return None
    return rings_first(one, other) if signs.pop() else rings_first(other, one)


def _is_affine(steps: list[Step]) -> bool:
    return not steps or (len(steps) == 1 and steps[0].kind == "affine")


def _factors(steps: list[Step]) -> tuple[float, float]:
    return steps[-1][1:] if steps else (1.0, 0.0)


def _push_in(steps: list[Step]) -> None:
    """Let the last map be done before the one before it, where it can be: c exp(z) is exp(z + log c), and so on."""
    if len(steps) < 2 or steps[-1].kind != "affine":
        return
    before, (_, a, b) = steps[-2], steps[-1]
    sign = Step("affine", math.copysign(1.0, a))
    if before.kind == "log" and b and abs(b / a) < _LARGEST_LOG:
        inner, outer = Step("affine", math.exp(b / a)), Step("affine", a)
    elif before.kind == "power" and not b:
        inner, outer = Step("affine", abs(a) ** (1.0 / before.a)), sign
    elif before.kind == "exp" and not b:
        inner, outer = Step("affine", 1.0, math.log(abs(a))), sign
    else:
        return
    del steps[-2:]
    if steps and steps[-1].kind == "affine":
        inner = steps.pop().then(inner)
    steps += [step for step in (inner, before, outer) if step != _AS_IT_IS]

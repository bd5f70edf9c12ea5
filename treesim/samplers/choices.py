"""The random choices of a program, run by run: each is met again by replay, and then takes the next branch.

A run follows the branches that it is told to take, and at choices that are new to it the most probable one; the other
branches wait. The next run takes one of the largest mass, or nearly. So what waits soon is little, and a program
without an end to its choices, such as one that tries until it succeeds, is known but for that.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator
from math import frexp
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from treesim.errors import NoExactLaw
from treesim.kernels.arithmetic import BLOCK, LOWEST

# New choices of one run, before runs that ended tell how many it takes; and branches of one choice.
LONGEST, WIDEST = 1_000, 100_000
# A run of more choices counts as several.
CHOICES_A_RUN = 250
# Of branches whose masses are within a factor of 2 to this the latest is taken first, so that few wait at a time.
GRAIN = 8
# Mass that sums of floats cannot tell from nothing; where no more is left a program without end is as good as known.
NEGLIGIBLE = 2.0**-56
# Choices that are met beyond that at least, for the sake of branches whose probability is tiny but finite in number.
AT_LEAST = 50_000
PROBES = 100

_SOMETHING_ELSE = "something besides rng and the oracle decides, such as another generator, or what earlier runs left"

Outcome = TypeVar("Outcome")
# The branch before, which branch it is of which choice, and its mass.
Branch = tuple[Any, int, tuple[float, ...], float]


class Run(NamedTuple):
    """A run that came to its end.

    Attributes
    ----------
    mass, exponent : float, int
        Its probability is mass * 2**exponent.
    outcome : object
        What the program returned.
    """

    mass: float
    exponent: int
    outcome: Any


class _Waiting:
    """Branches that wait: those of the largest mass come first, and of masses that are alike the latest."""

    def __init__(self) -> None:
        self._alike: dict[int, deque[Branch]] = {}
        self._order: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._order)

    def __iter__(self) -> Iterator[Branch]:
        return itertools.chain.from_iterable(self._alike.values())

    def push(self, branch: Branch) -> None:
        """Let it wait."""
        self._like(branch).append(branch)

    def push_last(self, branch: Branch) -> None:
        """Let it be taken after all that are like it."""
        self._like(branch).appendleft(branch)

    def pop(self) -> Branch:
        """The one that comes next, which waits no longer."""
        most = self._alike[self._order[0]]
        branch = most.pop()
        if not most:
            del self._alike[heapq.heappop(self._order)]
        return branch

    def bound(self) -> float:
        """The mass of all that wait is below it."""
        count = sum(map(len, self._alike.values()))
        return math.ldexp(float(count), -GRAIN * self._order[0])

    def _like(self, branch: Branch) -> deque[Branch]:
        size = -frexp(branch[3])[1] // GRAIN
        alike = self._alike.get(size)
        if alike is None:
            alike = self._alike[size] = deque()
            heapq.heappush(self._order, size)
        return alike


class LeftOff(BaseException):
    """Raised through a program whose run is left off; it is no error, and no program should catch it."""


class Choices:
    """Choice points of a program, all branches of which are taken in turn.

    Examples
    --------
    >>> def coins(choices):
    ...     return choices.choose((0.5, 0.5)) + choices.choose((0.25, 0.75))
    >>> sorted((run.outcome, run.mass) for run in Choices().runs(coins, budget=100))
    [(0, 0.125), (1, 0.125), (1, 0.375), (2, 0.375)]
    """

    def __init__(self) -> None:
        self.spent = self.met = self._at = self._exponent = 0
        self._allowed = LONGEST
        self._mass = 1.0
        self._waiting = _Waiting()
        self._refused: NoExactLaw | None = None
        self._begin(None)

    def choose(self, prob: tuple[float, ...]) -> int:
        """One of some branches, given their probabilities, which sum to one; one of probability zero is never taken."""
        at = self._at
        self._at = at + 1
        if at < self._known:
            _, index, known, _ = self._script[at]
            if known is not prob and known != prob:
                self.refuse(f"choice {at + 1} of a run has other branches when it is met again: {_SOMETHING_ELSE}")
            return index
        if at - self._known >= self._allowed:
            self._leave_off()
        if len(prob) > WIDEST:
            self.refuse(f"a choice among {len(prob)} is more than can be enumerated, expected at most {WIDEST}")
        index = self._first(prob)
        self._times(prob[index])
        return index

    def uniform(self, n: int) -> int:
        """One of 0 .. n - 1, each with the same probability."""
        if n > WIDEST:
            self.refuse(f"a choice among {n} is more than can be enumerated, expected at most {WIDEST}")
        return self.choose((1.0 / n,) * n) if n > 1 else 0

    def refuse(self, why: str) -> NoReturn:
        """End the enumeration: the program does what cannot be enumerated."""
        self._refused = self._refused or NoExactLaw(why)
        raise self._refused

    def runs(self, program: Callable[[Choices], Outcome], budget: float) -> Iterator[Run]:
        """Runs of a program, the most probable part first, until all are known or the budget is spent.

        It ends early where what is left is less than floats can add, and as much work again found no end to it.

        Raises
        ------
        NoExactLaw
            If the program does what cannot be enumerated, or something decides in it besides its choices.
        """
        waits: Branch | None = None
        enough, longest = math.inf, 0
        while self.spent < budget and self.met < enough:
            self._begin(waits)
            try:
                outcome = program(self)
            except LeftOff:
                pass
            finally:
                self.spent += 1 + self._at // CHOICES_A_RUN
                self.met += self._at
                if self._refused is not None:
                    raise self._refused
            if not self._is_left_off:
                self._require_end()
                longest = max(longest, self._at)
                self._allowed = min(LONGEST, 2 * longest + 20)
                yield Run(self._mass, self._exponent, outcome)
            if not self._waiting:
                return
            if enough == math.inf and self._waiting.bound() < NEGLIGIBLE:
                enough = self.met + max(self.met, AT_LEAST)
            waits = self._waiting.pop()
        if waits is not None:
            self._waiting.push(waits)

    @property
    def mass(self) -> float:
        """The probability of what the present run has chosen so far."""
        return math.ldexp(self._mass, self._exponent)

    @property
    def left(self) -> float:
        """The mass of all branches that have not been taken."""
        return math.fsum(branch[3] for branch in self._waiting)

    def _begin(self, branch: Branch | None) -> None:
        """A run that takes this branch first."""
        self._node, self._at, self._is_left_off = branch, 0, False
        script = []
        while branch is not None:
            script.append(branch)
            branch = branch[0]
        script.reverse()
        self._script, self._known = script, len(script)
        self._mass, self._exponent = 1.0 if self._node is None else self._node[3], 0
        if self._mass < LOWEST:
            # What waits is in the order of its mass, which floats may not tell from nothing.
            self._mass = 1.0
            for _, index, prob, _ in script:
                self._times(prob[index])

    def _times(self, p: float) -> None:
        """One more factor of the run's mass."""
        self._mass *= p
        if self._mass < LOWEST:
            self._mass *= 2.0**BLOCK
            self._exponent -= BLOCK

    def _first(self, prob: tuple[float, ...]) -> int:
        """The most probable branch of a choice that is met for the first time; the others have to wait."""
        best, node, mass, push = prob.index(max(prob)), self._node, self.mass, self._waiting.push
        for index, p in enumerate(prob):
            if p > 0.0 and index != best:
                push((node, index, prob, mass * p))
        self._node = (node, best, prob, mass * prob[best])
        return best

    def _leave_off(self) -> NoReturn:
        if not self._is_left_off and self._node is not None:
            self._waiting.push_last(self._node)
        self._is_left_off = True
        raise LeftOff

    def _require_end(self) -> None:
        if self._at < self._known:
            self._refused = NoExactLaw(
                f"a run ended after {self._at} choices where it made {self._known} before: {_SOMETHING_ELSE}"
            )
            raise self._refused


class _Probe(Choices):
    """A run that takes branches at random, each alike, and multiplies how many there were."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self._rng = rng
        self.size = 1.0

    def _first(self, prob: tuple[float, ...]) -> int:
        live = [index for index, p in enumerate(prob) if p > 0.0]
        self.size *= len(live)
        return live[int(self._rng.integers(len(live)))]


def expected_runs(program: Callable[[Choices], Any], probes: int = PROBES) -> float:
    """How many runs an enumeration takes, about: the mean over some runs of the product of their branches.

    References
    ----------
    Knuth (1975), "Estimating the efficiency of backtrack programs": without bias, and often too low.

    Examples
    --------
    >>> expected_runs(lambda choices: [choices.uniform(6) for _ in range(3)])
    216.0
    """
    rng = np.random.Generator(np.random.PCG64(0))
    total = 0.0
    for _ in range(probes):
        probe = _Probe(rng)
        for _ in probe.runs(program, budget=1):
            pass
        total += probe.size
    return total / probes

"""What to run for TV <= delta when T, the Bellman error and L are all that is known: guaranteed sizes and their cost.

A guarantee holds on *every* instance with these three numbers; a given instance may need far less, which
`treesim.need` tells. Samplers of which no bound in these numbers is known stand in `NOT_GUARANTEED`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from treesim.arrays import Brief, FloatArray
from treesim.errors import SpecError
from treesim.instances.instance import Instance
from treesim.laws.selection import MOST_PROGRAMMED, selection
from treesim.runtime.search import first
from treesim.scaled import exp_or_inf
from treesim.theory.bounds import (
    factory_cost,
    guidance_bound,
    leaf_walk_bound,
    leaf_walk_size,
    lower_bound,
    particles_needed,
)
from treesim.theory.correction import (
    correction_lower_bound,
    draws_to_correct,
    race_bound,
    race_draws,
    resampling_bound,
    resampling_draws,
)
from treesim.theory.pools import least_good_pool, least_pool, log_good_bound, log_good_range, pool_step_bound

# What a specification can say: whole numbers beyond are no plan.
_LARGEST = 2.0**53
# Shares of delta for pools that fail, and errors of pool means in units of 1 / T, that are tried for a chain; and
# errors that are tried for selection, whose rules take longer to find.
_SHARES = (0.02, 0.1, 0.3, 0.5)
_ERRORS = np.geomspace(0.02, 4.0, 24)
_SELECTION_SHARE, _SELECTION_ERRORS = 0.3, np.array([0.6, 0.3, 1.2])
# log k beyond which no selection is of use.
_WIDEST = 50.0

# What guarantees come from that several methods share.
POOL_STEPS, CHAIN, NOISY = "pool steps", "6.1, any epsilon", "selection, noisy weights"

NOT_GUARANTEED = {
    "best-of-n": "its limit is the largest reward, not the target: with more draws the TV grows again",
    "soft-best-of-n": "its limit is pi_ref exp(reward / temperature), another target",
    "beam": "its output is one leaf, or few",
    "particle-gibbs": "no bound in T, epsilon and L is known to treesim",
    "random-suffix": "its bound is that of a race without the value, T times as many draws",
    "smc with another proposal or resampling": "Theorem 5.1 is for pi_ref and multinomial resampling at every step",
}


@dataclass(frozen=True)
class Method:
    """A sampler with the parameters that a theorem asks for.

    Attributes
    ----------
    spec : str
        The sampler, as a specification; without parameters where no size is enough.
    asks : str
        ``probabilities``: of all children of a prefix, with their values; or ``draws`` from pi_ref.
    theorem : str
        What the guarantee comes from.
    tv : float or None
        The guarantee, at most delta; None if there is none.
    cost : float or None
        Children drawn, or listed, for one output, in expectation, each with its value where the method asks for values;
        listed, in units of the branching B where that is not known.
    remark : str
        Why not, or what is assumed.
    """

    spec: str
    asks: str
    theorem: str
    tv: float | None = None
    cost: float | None = None
    remark: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Brief):
    """What to run.

    Attributes
    ----------
    horizon : int
    bellman_error, ratio_bound : float
    delta : float
    branching : int or None
    methods : tuple of Method
        All of them, guaranteed or not.
    draws_at_least : int
        Draws at the root without which no algorithm that only draws is within delta on all instances.
    values_at_least : float or None
        Values without which no algorithm is within 1/3 on all instances; None where delta is larger.

    Examples
    --------
    >>> found = plan(horizon=10, bellman_error=0.02, ratio_bound=2.0, delta=0.1)
    >>> found.cheapest("probabilities").spec, found.draws_at_least
    ('sp-gsmc', 1)
    """

    horizon: int
    bellman_error: float
    ratio_bound: float
    delta: float
    branching: int | None
    methods: tuple[Method, ...]
    draws_at_least: int
    values_at_least: float | None

    def cheapest(self, asks: str | None = None) -> Method | None:
        """The guaranteed method of least cost, among those that ask for the same; None if there is none.

        Parameters
        ----------
        asks : str, optional
            ``probabilities`` or ``draws``; left out, of all, which takes a known branching.
        """
        known = [
            method for method in self.methods
            if method.cost is not None
            and (method.asks == asks or (asks is None and (self.branching or method.asks == "draws")))
        ]  # fmt: skip
        return min(known, key=lambda method: method.cost or 0.0, default=None)

    def document(self) -> dict[str, object]:
        """What JSON documents say of it."""
        return {
            "horizon": self.horizon, "bellman_error": self.bellman_error, "ratio_bound": self.ratio_bound,
            "delta": self.delta, "branching": self.branching, "rows": [asdict(method) for method in self.methods],
            "cheapest": {
                asks: found and found.spec
                for asks in ("probabilities", "draws") for found in [self.cheapest(asks)]
            },
            "draws_at_least": self.draws_at_least, "values_at_least": self.values_at_least,
            "not_guaranteed": NOT_GUARANTEED,
        }  # fmt: skip


def plan(
    horizon: int, bellman_error: float, ratio_bound: float = math.inf, delta: float = 0.1, branching: int | None = None
) -> Plan:
    """Sizes of every method that guarantee TV <= `delta` on all instances with these three numbers.

    Parameters
    ----------
    horizon : int
        T.
    bellman_error : float
        epsilon.
    ratio_bound : float
        L; what needs one is not guaranteed where it is infinite.
    delta : float
    branching : int, optional
        B, children of a prefix, that methods ask for which list all of them.

    Raises
    ------
    SpecError
        If a number is out of range.

    Examples
    --------
    >>> found = plan(horizon=20, bellman_error=0.01, ratio_bound=2.0, delta=0.05)
    >>> [(asks, found.cheapest(asks).spec) for asks in ("probabilities", "draws")]
    [('probabilities', 'sp-gsmc:reject=3'), ('draws', 'exact-guided')]
    """
    if horizon < 1:
        raise SpecError(f"horizon is {horizon}, expected at least 1")
    if not 0.0 <= bellman_error < math.inf:
        raise SpecError(f"bellman_error is {bellman_error:g}, expected a finite number of at least 0")
    if not ratio_bound >= 1.0:
        raise SpecError(f"ratio_bound is {ratio_bound:g}, expected at least 1")
    if not 0.0 < delta < 1.0:
        raise SpecError(f"delta is {delta:g}, expected a number between 0 and 1")
    if branching is not None and branching < 1:
        raise SpecError(f"branching is {branching}, expected at least 1")
    # P V lies between the least and the largest value of children.
    epsilon = min(bellman_error, ratio_bound - 1.0)
    methods = (
        *_listing(horizon, epsilon, delta, branching or 1),
        *_drawing(horizon, epsilon, ratio_bound, delta),
        *_without_value(horizon, epsilon, ratio_bound, delta),
    )
    log_bound = min((horizon - 1) * math.log1p(epsilon), _WIDEST)
    values = max(1.0, lower_bound(horizon, 1.0 + epsilon)) if delta <= 1 / 3 else None
    return Plan(
        horizon, bellman_error, ratio_bound, delta, branching, methods,
        max(1, draws_to_correct(delta, math.exp(log_bound))), values,
    )  # fmt: skip


def plan_for(instance: Instance, delta: float = 0.1, branching: int | None = None) -> Plan:
    """The plan for whatever has the T, epsilon and L of an instance, and its branching unless another is given.

    Examples
    --------
    >>> from treesim import family
    >>> plan_for(family("sharpest-guidance", horizon=4, epsilon=0.1), delta=0.2).cheapest().spec
    'sp-gsmc'
    """
    audit, degree = instance.audit, instance.graph.max_degree
    if not math.isfinite(audit.bellman_error):
        raise SpecError(
            "the Bellman error of the instance is infinite (a value is zero, and one ahead is not): no guarantee"
        )
    return plan(instance.horizon, audit.bellman_error, audit.ratio_bound, delta, branching or degree)


def _listing(horizon: int, epsilon: float, delta: float, branching: int) -> Iterator[Method]:
    """Methods that are given the probabilities of all children, and ask for their values."""
    a_path, asks = float(horizon * branching), "probabilities"
    guided = guidance_bound(horizon, epsilon).sharp
    if guided <= delta:
        yield Method("sp-gsmc", asks, "4.3, sharp form", guided, a_path)
    else:
        yield Method("sp-gsmc", asks, "4.3, sharp form", remark=f"only TV <= {guided:.3g}: correct it")
    # target / proposal is at most k^2, and the last of H paths is refused by all with probability (1 - k^-2)^H.
    log_largest = 2 * (horizon - 1) * math.log1p(epsilon)
    paths, tv = _race(log_largest, delta)
    for spec, theorem in (("mh", "race bound"), ("reject", "rejection")):
        if paths < _LARGEST:
            # Of paths drawn until one is accepted the expected number is less than they may be.
            cost = a_path * (paths if spec == "mh" else (1.0 - tv) * exp_or_inf(log_largest))
            yield Method(_spec("sp-gsmc", **{spec: int(paths)}), asks, theorem, tv, cost)
        else:
            yield Method(
                f"sp-gsmc:{spec}", asks, theorem, remark=f"(1 + epsilon)^(2T - 2) = {exp_or_inf(log_largest):.2g} paths"
            )
    found = _selected(log_largest / 2, delta)
    if found is None:
        yield Method("sp-gsmc:chebyshev", asks, "selection", remark=f"more than {MOST_PROGRAMMED} paths")
    else:
        yield Method(_spec("sp-gsmc", chebyshev=found[0]), asks, "selection", found[1], a_path * found[0])
    size = leaf_walk_size(horizon, epsilon)
    leaves = 1.0
    if leaf_walk_bound(1, horizon, epsilon) > delta and size < _LARGEST:
        leaves = 1.0 + math.ceil(math.log(2.0 * delta / math.sqrt(size - 1.0)) / math.log1p(-0.5 / size))
    if size < _LARGEST and leaves < _LARGEST:
        yield Method(
            f"vgb:steps=0,stop=leaf,leaf={leaves:.0f}", asks, "walk over leaves",
            leaf_walk_bound(int(leaves), horizon, epsilon), 2.0 * size**2 * leaves * branching,
            f"in equilibrium {2.0 * size * leaves * branching:.2g} values are enough",
        )  # fmt: skip
    else:
        yield Method("vgb:stop=leaf", asks, "walk over leaves", remark=f"S = {size:.2g}")


def _drawing(horizon: int, epsilon: float, ratio_bound: float, delta: float) -> Iterator[Method]:
    """Methods that draw children from pi_ref, and ask for their values."""
    asks = "draws"
    largest = ratio_bound * (1.0 + epsilon)
    slack = delta - guidance_bound(horizon, epsilon).sharp
    if not math.isfinite(largest):
        for spec, theorem in (
            ("sp-gsmc:pool", POOL_STEPS), ("sp-gsmc:pool,select=race", POOL_STEPS), ("sp-gsmc:pool,mh", CHAIN),
            ("sp-gsmc:pool,chebyshev", NOISY), ("smc", "5.1"), ("exact-guided", "Bernoulli factory"),
        ):  # fmt: skip
            yield Method(spec, asks, theorem, remark="needs a finite L")
        return
    for by_race in (False, True):
        name = "select=race" if by_race else "select=weight"
        pool = least_pool(horizon, largest, slack, by_race) if slack > 0.0 else 1
        if pool >= _LARGEST:
            yield Method(f"sp-gsmc:pool,{name}", asks, POOL_STEPS, remark="more than 10^15 children")
        elif slack > 0.0:
            steps = -math.expm1(horizon * math.log1p(-pool_step_bound(pool, largest, by_race)))
            yield Method(_spec("sp-gsmc", pool=pool, **({"select": "race"} if by_race else {})), asks, POOL_STEPS,
                         delta - slack + steps, float(pool * horizon))  # fmt: skip
        else:
            yield Method(
                f"sp-gsmc:pool,{name}", asks, POOL_STEPS, remark=f"guidance itself: only TV <= {delta - slack:.3g}"
            )
    yield _pools_in_a_chain(horizon, epsilon, largest, delta)
    yield _pools_selected(horizon, epsilon, largest, delta)
    particles = particles_needed(horizon, epsilon, ratio_bound, delta)
    if horizon == 1:  # importance resampling, of which the theorem says nothing
        particles = resampling_draws(delta, math.log(largest))
    if particles < _LARGEST:
        spec = _spec("smc", particles=max(1, int(particles)))
        yield Method(spec, asks, "5.1" if horizon > 1 else "resampling bound", delta, max(1.0, particles) * horizon)
    else:
        yield Method("smc", asks, "5.1", remark=f"{particles:.2g} particles")
    cost = factory_cost(horizon, epsilon, ratio_bound)
    tv, of_cost, remark = (
        (0.0, cost, "epsilon and L must not be understated")
        if cost < math.inf
        else (None, None, "its cost is beyond floats")
    )
    yield Method("exact-guided", asks, "Bernoulli factory", tv, of_cost, remark)


def _without_value(horizon: int, epsilon: float, ratio_bound: float, delta: float) -> Iterator[Method]:
    """Whole paths of pi_ref, of which only the reward is asked: the target is at most (L (1 + epsilon))^T of it."""
    log_largest = horizon * (math.log(ratio_bound) + math.log1p(epsilon))
    paths, tv = _race(log_largest, delta)
    if paths < _LARGEST:
        yield Method(_spec("race", n=int(paths)), "draws", "race bound", tv, paths * horizon)
    else:
        yield Method("race", "draws", "race bound", remark=f"(L (1 + epsilon))^T = {exp_or_inf(log_largest):.2g} paths")
    paths = resampling_draws(delta, log_largest)
    if paths < _LARGEST:
        tv = resampling_bound(int(paths), log_largest)
        yield Method(_spec("importance", n=int(paths)), "draws", "resampling bound", tv, paths * horizon)
    else:
        yield Method("importance", "draws", "resampling bound", remark=f"{paths:.2g} paths")


def _race(log_largest: float, delta: float) -> tuple[float, float]:
    """The least N of a race, or of a chain, and what is promised of it."""
    paths = race_draws(delta, log_largest)
    return paths, race_bound(int(paths), log_largest) if paths < math.inf else 1.0


def _selected(log_bound: float, delta: float) -> tuple[int, float] | None:
    """The least N found for Chebyshev selection, and what its rule promises."""
    if log_bound > _WIDEST or correction_lower_bound(MOST_PROGRAMMED, math.exp(log_bound)) > delta:
        return None
    start = max(1, draws_to_correct(delta, math.exp(log_bound)))
    paths = first(lambda n: selection(n, log_bound).worst <= delta, start, MOST_PROGRAMMED)
    return None if paths is None else (paths, selection(paths, log_bound).worst)


def _errors(tried: FloatArray, horizon: int) -> list[float]:
    return [float(error) for error in tried / horizon if error < 1.0]


def _pools_in_a_chain(horizon: int, epsilon: float, largest: float, delta: float) -> Method:
    """Algorithm 2 with the pool, the error of its means and the share of bad events that cost least."""
    best: tuple[float, int, int, float] | None = None
    for error in _errors(_ERRORS, horizon):
        for share in _SHARES:
            paths, tv = _race(log_good_range(horizon, epsilon, error), delta * (1.0 - share))
            if paths >= _LARGEST:
                continue
            pool = least_good_pool(horizon, largest, error, int(paths), delta - tv)
            cost = paths * pool * horizon
            if best is None or cost < best[0]:
                best = cost, int(paths), pool, delta
    if best is None:
        return Method("sp-gsmc:pool,mh", "draws", CHAIN, remark="(1 + epsilon)^(2T - 2) paths are too many")
    return Method(_spec("sp-gsmc", pool=best[2], mh=best[1]), "draws", CHAIN, best[3], best[0])


def _pools_selected(horizon: int, epsilon: float, largest: float, delta: float) -> Method:
    """Chebyshev selection among paths of pools; weights beyond the bound are the bad event."""
    best: tuple[float, int, int, float] | None = None
    for error in _errors(_SELECTION_ERRORS, horizon):
        # A bound that a specification can say; the room that rounding up leaves is given to the pools.
        log_bound = math.log(_rounded_up(exp_or_inf(log_good_bound(horizon, epsilon, error))))
        if log_bound > _WIDEST:
            continue
        room = -math.expm1(math.log1p(epsilon) - log_bound / horizon)
        # With as few paths as any correction needs it would cost that, at the least.
        share, few = delta * _SELECTION_SHARE, draws_to_correct(delta * (1.0 - _SELECTION_SHARE), math.exp(log_bound))
        least = max(1, few) * least_good_pool(horizon, largest, room, max(1, few), share) * horizon
        found = _selected(log_bound, delta - share) if best is None or least < best[0] else None
        if found is None:
            continue
        pool = least_good_pool(horizon, largest, room, found[0], delta - found[1])
        cost = float(found[0] * pool * horizon)
        if best is None or cost < best[0]:
            best = cost, found[0], pool, math.exp(log_bound)
    if best is None:
        return Method("sp-gsmc:pool,chebyshev", "draws", NOISY,
                      remark=f"more than {MOST_PROGRAMMED} paths")  # fmt: skip
    spec = _spec("sp-gsmc", pool=best[2], chebyshev=best[1], bound=f"{best[3]:.3g}")
    return Method(spec, "draws", NOISY, delta, best[0])


def _rounded_up(number: float) -> float:
    """The next number of three digits."""
    if not math.isfinite(number):
        return number
    unit = 10.0 ** (math.floor(math.log10(number)) - 2)
    return float(f"{math.ceil(number / unit * (1 - 1e-12)) * unit:.3g}")


def _spec(name: str, **settings: int | str) -> str:
    return f"{name}:{','.join(f'{key}={value}' for key, value in settings.items())}"

"""The exact law of anybody's sampler, on demand."""

from __future__ import annotations

from treesim.errors import SpecError
from treesim.instances.instance import Instance, require_instance
from treesim.samplers.enumeration import Enumeration
from treesim.samplers.registry import SamplerLike, sampler
from treesim.samplers.user import UserSampler
from treesim.spec import require_at_least


def exact_law(mine: SamplerLike, instance: Instance, budget: float = 1e6) -> Enumeration:
    """The exact law of a sampler in plain Python, from all runs that it can make.

    Its random choices are enumerated: the draws of the oracle; of `rng` the methods ``choice``, ``integers``,
    ``permutation``, ``shuffle``, ``multinomial``, ``binomial`` and ``geometric``; and ``random`` with what is made of
    it, ``uniform``, ``exponential`` and ``gumbel``: such a number is known by what it is compared with. Runs come by
    their probability, so that a sampler that tries until it succeeds is known but for less than floats can tell.

    Parameters
    ----------
    mine : class, object, function or spec
        With a method ``simulate(oracle, rng)``, as for `treesim.register_sampler`.
    instance : Instance
    budget : float
        Runs at the most; a very long run counts as several. Ten to a hundred thousand are made in a second.

    Returns
    -------
    Enumeration
        Its `law` is exact, or encloses distances where the budget ended it; `cost` is the law of the cost.

    Raises
    ------
    NoExactLaw
        If the sampler draws what cannot be enumerated, such as ``normal``, or something besides `rng` decides.
    SpecError
        If it is no sampler, or one of treesim's own, or the budget is below 1.

    Examples
    --------
    >>> from treesim import family
    >>> def two(oracle, rng):
    ...     pair = []
    ...     for _ in range(2):
    ...         prefix = oracle.root
    ...         while prefix.level < oracle.horizon:
    ...             prefix = oracle.draw(prefix)
    ...         pair.append(prefix)
    ...     first, second = (oracle.value(prefix) for prefix in pair)
    ...     return pair[0] if rng.random() * (first + second) < first else pair[1]
    >>> instance = family("dirichlet", horizon=3, seed=1)
    >>> found, twin = exact_law(two, instance), sampler("importance:n=2").law(instance)
    >>> found.runs, found.law.tv(twin).hi < 1e-12, found.cost.mean.value_queries
    (128, True, 2.0)
    """
    kind = _users(mine, instance, "exact_law")
    require_at_least("budget", budget, 1)
    return kind.enumerate(instance, budget)


def expected_runs(mine: SamplerLike, instance: Instance) -> float:
    """What `exact_law` costs, before: about how many runs a sampler can make, from a hundred of them.

    Examples
    --------
    >>> from treesim import family
    >>> def base(oracle, rng):
    ...     prefix = oracle.root
    ...     while prefix.level < oracle.horizon:
    ...         prefix = oracle.draw(prefix)
    ...     return prefix
    >>> expected_runs(base, family("uniform", horizon=10))
    1024.0
    """
    return _users(mine, instance, "expected_runs").foresee(instance)


def _users(mine: SamplerLike, instance: Instance, who: str) -> UserSampler:
    kind = sampler(mine)
    require_instance(instance, who)
    if not isinstance(kind, UserSampler):
        raise SpecError(f"{kind.name!r} is a sampler of treesim's, whose law(instance) is exact where there is one")
    return kind

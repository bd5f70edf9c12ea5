"""What is known of a sampler on an instance: exact or certified where it has a law, else estimated from runs.

This is the one place where that is decided; whoever wants a number asks here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from treesim.empirical.estimation import DEFAULT_RUNS, Estimate, estimate
from treesim.errors import NoExactLaw
from treesim.instances.instance import Instance
from treesim.instances.merging import unroll
from treesim.laws.density_ratio import Effort
from treesim.laws.law import Law
from treesim.laws.tv import TV
from treesim.samplers import Cost, Sampler
from treesim.samplers.registry import SamplerLike
from treesim.samplers.registry import sampler as sampler_of
from treesim.spec import spell

# Trellises of no more paths than 2 to this are unrolled for samplers that have a law on trees only.
SMALL_LOG2_PATHS = 14.0


@dataclass(frozen=True)
class Measurement:
    """What is known of a sampler on an instance.

    Attributes
    ----------
    sampler : str
        Its spec.
    tv : TV
        To the target.
    kl, kl_from_target, chi2 : float or None
        KL(law || target), KL(target || law) and chi^2(law || target), KL in nats; None where not known.
    expected_reward : float or None
        Linear.
    cost : Cost
        Of one output.
    """

    sampler: str
    tv: TV
    kl: float | None
    kl_from_target: float | None
    chi2: float | None
    expected_reward: float | None
    cost: Cost

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it."""
        return {
            "sampler": self.sampler,
            "tv": self.tv.document(),
            "kl": self.kl,
            "kl_from_target": self.kl_from_target,
            "chi2": self.chi2,
            "expected_reward": self.expected_reward,
            "cost": {"reference_draws": self.cost.reference_draws, "value_queries": self.cost.value_queries},
        }


def measure(
    sampler: SamplerLike, instance: Instance, effort: Effort | None = None, runs: int = DEFAULT_RUNS, seed: int = 0
) -> Measurement:
    """Measure a sampler: distances to the target, expected reward and cost.

    Parameters
    ----------
    sampler : Sampler, or what `treesim.sampler` makes one of
        A spec, or a class, object or function of yours.
    instance : Instance
    effort : Effort, optional
        How near the bounds on a TV must be that can only be enclosed, and what they may cost.
    runs : int
        That estimate the TV and the expected reward where there is no exact law; 0 forbids it.
    seed : int
        Of those runs.

    Raises
    ------
    NoExactLaw
        If there is no exact law, and no runs are allowed.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> instance = family("product", horizon=6, ratio=2.0)
    >>> measure(sampler("sp-gsmc"), instance).tv.kind, measure(sampler("smc:particles=99"), instance).tv.kind
    ('exact', 'exact')
    """
    sampler = sampler_of(sampler)
    at, known = _law_or_runs(sampler, instance, runs, seed)
    cost = sampler.cost(at)
    if isinstance(known, Estimate):
        return Measurement(spell(sampler), known.tv, None, None, None, known.expected_reward, cost)
    target = at.target
    return Measurement(
        spell(sampler),
        known.tv(target, *(effort or Effort())),
        known.kl(target),
        target.kl(known),
        known.chi2(target),
        known.expected(at.reward),
        cost,
    )


def distance(
    sampler: SamplerLike, instance: Instance, effort: Effort | None = None, runs: int = DEFAULT_RUNS, seed: int = 0
) -> TV:
    """The TV of `measure`, alone."""
    at, known = _law_or_runs(sampler_of(sampler), instance, runs, seed)
    return known.tv if isinstance(known, Estimate) else known.tv(at.target, *(effort or Effort()))


def _law_or_runs(sampler: Sampler, instance: Instance, runs: int, seed: int) -> tuple[Instance, Law | Estimate]:
    """The instance, unrolled if that gives a law, and the law, or what runs say."""
    try:
        return instance, sampler.law(instance)
    except NoExactLaw:
        tree = unroll(instance) if instance.graph.log2_paths <= SMALL_LOG2_PATHS else instance
        if tree is not instance:
            return _law_or_runs(sampler, tree, runs, seed)
        if runs == 0:
            raise
        return instance, estimate(sampler, instance, runs, seed)

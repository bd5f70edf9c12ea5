"""treesim: the exact laboratory for inference-time scaling.

Trees whose reference policy, reward and optimal twist are known exactly, approximate values of controlled Bellman
error, and the exact output law of every sampler, with its total variation distance to the target.

>>> import treesim
>>> instance = treesim.family("uniform", horizon=6, perturbation="random-sign", epsilon="0.25/T")
>>> law = treesim.sampler("sp-gsmc").law(instance)
>>> law.tv(instance.target).hi <= treesim.guidance_bound(6, instance.audit.bellman_error).sharp
True
"""

from treesim._version import __version__
from treesim.bounds import Bound, bound_for, guidance_bound
from treesim.constrained import PARTIAL_VALUES
from treesim.diagnosis import Diagnosis, diagnose
from treesim.errors import (
    ConstraintError,
    InstanceFileError,
    MemoryBudgetError,
    NoExactLaw,
    OracleError,
    PerturbationError,
    RewardError,
    SpecError,
    TreeError,
    TreesimError,
)
from treesim.estimation import Estimate, estimate
from treesim.families import FAMILIES, family
from treesim.graphs import graph_from_instance, instance_from_graph, read_graph
from treesim.instance import Instance
from treesim.law import TV, Law, ListedLaw, OutputLaw, PathLaw
from treesim.layered import Layer
from treesim.merging import MergeReport, merge, unroll
from treesim.oracle import Oracle, Prefix
from treesim.perturb import PERTURBATIONS, Perturbation, epsilon_schedule, perturb
from treesim.rewards import REWARDS, Reward
from treesim.samplers import (
    SAMPLERS,
    SMC,
    Backtracking,
    Base,
    BeamSearch,
    BestOfN,
    Cost,
    Draws,
    ExactGuided,
    GuidedSMC,
    Importance,
    ParticleGibbs,
    RandomSuffix,
    Rejection,
    Sampler,
    SoftBestOfN,
    register_sampler,
    sampler,
    spectral_gap,
    stationary_law,
)
from treesim.scaled import Scaled
from treesim.storage import load, save
from treesim.tree import Tree
from treesim.trellis import Trellis
from treesim.values import Audit, audit, optimal_twist

__all__ = [
    "FAMILIES",
    "PARTIAL_VALUES",
    "PERTURBATIONS",
    "REWARDS",
    "SAMPLERS",
    "SMC",
    "TV",
    "Audit",
    "Backtracking",
    "Base",
    "BeamSearch",
    "BestOfN",
    "Bound",
    "ConstraintError",
    "Cost",
    "Diagnosis",
    "Draws",
    "Estimate",
    "ExactGuided",
    "GuidedSMC",
    "Importance",
    "Instance",
    "InstanceFileError",
    "Law",
    "Layer",
    "ListedLaw",
    "MemoryBudgetError",
    "MergeReport",
    "NoExactLaw",
    "Oracle",
    "OracleError",
    "OutputLaw",
    "ParticleGibbs",
    "PathLaw",
    "Perturbation",
    "PerturbationError",
    "Prefix",
    "RandomSuffix",
    "Rejection",
    "Reward",
    "RewardError",
    "Sampler",
    "Scaled",
    "SoftBestOfN",
    "SpecError",
    "Tree",
    "TreeError",
    "TreesimError",
    "Trellis",
    "__version__",
    "audit",
    "bound_for",
    "diagnose",
    "epsilon_schedule",
    "estimate",
    "family",
    "graph_from_instance",
    "guidance_bound",
    "instance_from_graph",
    "load",
    "merge",
    "optimal_twist",
    "perturb",
    "read_graph",
    "register_sampler",
    "sampler",
    "save",
    "spectral_gap",
    "stationary_law",
    "unroll",
]

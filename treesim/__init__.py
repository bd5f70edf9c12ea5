"""treesim: the exact laboratory for inference-time scaling.

Trees whose reference policy, reward and optimal twist are known exactly, approximate values of controlled Bellman
error, and the exact output law of every sampler, with its total variation distance to the target.

>>> import treesim
>>> instance = treesim.family("uniform", horizon=6, perturbation="random-sign", epsilon="0.25/T")
>>> law = treesim.sampler("sp-gsmc").law(instance)
>>> law.tv(instance.target).hi <= treesim.guidance_bound(6, instance.audit.bellman_error).sharp
True
"""

from pathlib import Path

if not (Path(__file__).parent / "cli").is_dir():
    # A checkout: `treesim.cli` and `treesim.hard_instances` lie beside this folder. A wheel has them inside it.
    __path__.append(str(Path(__file__).parent.parent))

from treesim._version import __version__
from treesim.decoding.constrained import PARTIAL_VALUES
from treesim.empirical.diagnosis import Diagnosis, diagnose
from treesim.empirical.estimation import Estimate, estimate
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
from treesim.graphs.layered import Layer
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.graphs.values import Audit, audit, optimal_twist
from treesim.instances.families import FAMILIES, family
from treesim.instances.instance import Instance
from treesim.instances.merging import MergeReport, merge, unroll
from treesim.instances.networkx_io import graph_from_instance, instance_from_graph, read_graph
from treesim.instances.perturbations import PERTURBATIONS, Perturbation, epsilon_schedule, perturb
from treesim.instances.rewards import REWARDS, Reward
from treesim.instances.storage import load, save
from treesim.laws.law import TV, Law, LeafLaw, PathListLaw, WalkLaw
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
from treesim.samplers.oracle import Oracle, Prefix
from treesim.scaled import Scaled
from treesim.theory.bounds import Bound, bound_for, guidance_bound

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
    "LeafLaw",
    "MemoryBudgetError",
    "MergeReport",
    "NoExactLaw",
    "Oracle",
    "OracleError",
    "ParticleGibbs",
    "PathListLaw",
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
    "WalkLaw",
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

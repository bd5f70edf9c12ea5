"""The public names and the modules they come from; `treesim` loads each when it is first used."""

from . import measure as measure
from ._version import __version__
from .compiled.definition import compiled_tree
from .compiled.streamed import Streamed
from .decoding.constrained import PARTIAL_VALUES
from .empirical.diagnosis import Diagnosis, diagnose
from .empirical.estimation import Estimate, estimate
from .errors import (
    ConstraintError,
    InstanceFileError,
    LearningError,
    MeasureError,
    MemoryBudgetError,
    NoExactLaw,
    OracleError,
    OutcomeError,
    PerturbationError,
    RewardError,
    SpecError,
    TreeError,
    TreesimError,
    Undecided,
)
from .graphs.guidance import Guidance, guidance
from .graphs.layered import Layer
from .graphs.model_trees import SamplingRules, tree_of_model
from .graphs.potentials import with_potentials
from .graphs.tree import Tree
from .graphs.trellis import Trellis
from .graphs.values import Audit, audit, optimal_twist
from .instances.families import FAMILIES, family
from .instances.graph_files import read_graph
from .instances.instance import Instance
from .instances.merging import MergeReport, merge, unroll
from .instances.networkx_io import graph_from_instance, instance_from_graph
from .instances.outcomes import Outcomes
from .instances.perturbations import PERTURBATIONS, Perturbation, perturb
from .instances.rewards import REWARDS, Reward
from .instances.schedules import epsilon_schedule
from .instances.scored_texts import instance_from_texts
from .instances.storage import load, save
from .laws.law import Law, LeafLaw, PathListLaw, WalkLaw
from .laws.tv import TV
from .learning.features import register_feature
from .learning.fit import Learned, learn
from .learning.losses import LOSSES
from .samplers import (
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
    Race,
    RandomSuffix,
    Rejection,
    Sampler,
    SoftBestOfN,
    register_sampler,
    sampler,
    spectral_gap,
    stationary_law,
)
from .samplers.enumeration import Enumeration
from .samplers.exact_law import exact_law
from .samplers.oracle import Oracle, Prefix
from .scaled import Scaled
from .studies.compare import Comparison, compare
from .studies.scaling import Need, need
from .studies.score_card import ScoreCard, score
from .studies.store import results
from .theory.bounds import Bound, bound_for, guidance_bound
from .theory.planning import Plan, plan, plan_for
from .theory.worst_case import BinaryTrees, WorstCase, worst_case

__all__ = [
    "FAMILIES",
    "LOSSES",
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
    "BinaryTrees",
    "Bound",
    "Comparison",
    "ConstraintError",
    "Cost",
    "Diagnosis",
    "Draws",
    "Enumeration",
    "Estimate",
    "ExactGuided",
    "Guidance",
    "GuidedSMC",
    "Importance",
    "Instance",
    "InstanceFileError",
    "Law",
    "Layer",
    "LeafLaw",
    "Learned",
    "LearningError",
    "MeasureError",
    "MemoryBudgetError",
    "MergeReport",
    "Need",
    "NoExactLaw",
    "Oracle",
    "OracleError",
    "OutcomeError",
    "Outcomes",
    "ParticleGibbs",
    "PathListLaw",
    "Perturbation",
    "PerturbationError",
    "Plan",
    "Prefix",
    "Race",
    "RandomSuffix",
    "Rejection",
    "Reward",
    "RewardError",
    "Sampler",
    "SamplingRules",
    "Scaled",
    "ScoreCard",
    "SoftBestOfN",
    "SpecError",
    "Streamed",
    "Tree",
    "TreeError",
    "TreesimError",
    "Trellis",
    "Undecided",
    "WalkLaw",
    "WorstCase",
    "__version__",
    "audit",
    "bound_for",
    "compare",
    "compiled_tree",
    "diagnose",
    "epsilon_schedule",
    "estimate",
    "exact_law",
    "family",
    "graph_from_instance",
    "guidance",
    "guidance_bound",
    "instance_from_graph",
    "instance_from_texts",
    "learn",
    "load",
    "measure",
    "merge",
    "need",
    "optimal_twist",
    "perturb",
    "plan",
    "plan_for",
    "read_graph",
    "register_feature",
    "register_sampler",
    "results",
    "sampler",
    "save",
    "score",
    "spectral_gap",
    "stationary_law",
    "tree_of_model",
    "unroll",
    "with_potentials",
    "worst_case",
]

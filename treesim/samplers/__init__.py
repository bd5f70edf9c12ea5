"""Samplers: what they draw, the law they draw from, and what they cost."""

from treesim.samplers.backtracking import Backtracking, spectral_gap, stationary_law
from treesim.samplers.base import Cost, Sampler
from treesim.samplers.beam import BeamSearch
from treesim.samplers.draws import Draws
from treesim.samplers.exact_guided import ExactGuided
from treesim.samplers.guided import GuidedSMC
from treesim.samplers.one_of_n import Base, BestOfN, Importance, Race, SoftBestOfN
from treesim.samplers.particle_gibbs import ParticleGibbs
from treesim.samplers.random_suffix import RandomSuffix
from treesim.samplers.registry import SAMPLERS, labels, register_sampler, sampler
from treesim.samplers.rejection import Rejection
from treesim.samplers.smc import SMC
from treesim.samplers.user import UserSampler

__all__ = [
    "SAMPLERS",
    "SMC",
    "Backtracking",
    "Base",
    "BeamSearch",
    "BestOfN",
    "Cost",
    "Draws",
    "ExactGuided",
    "GuidedSMC",
    "Importance",
    "ParticleGibbs",
    "Race",
    "RandomSuffix",
    "Rejection",
    "Sampler",
    "SoftBestOfN",
    "UserSampler",
    "labels",
    "register_sampler",
    "sampler",
    "spectral_gap",
    "stationary_law",
]

"""Constructions that defeat samplers, each with a certificate of what it proves."""

from treesim.hard_instances.certificate import CERTIFICATES, Certificate, certificate
from treesim.hard_instances.delayed_reward import delayed_reward
from treesim.hard_instances.error_amplification import error_amplification
from treesim.hard_instances.extinction import extinction
from treesim.hard_instances.hidden_prefix import hidden_prefix
from treesim.hard_instances.masking import masking
from treesim.hard_instances.perfect_value import perfect_value
from treesim.hard_instances.proxy import proxy
from treesim.hard_instances.reward_hacking import reward_hacking, true_reward
from treesim.hard_instances.sharpest_guidance import sharpest_guidance
from treesim.hard_instances.unknown_root import unknown_root

__all__ = [
    "CERTIFICATES",
    "Certificate",
    "certificate",
    "delayed_reward",
    "error_amplification",
    "extinction",
    "hidden_prefix",
    "masking",
    "perfect_value",
    "proxy",
    "reward_hacking",
    "sharpest_guidance",
    "true_reward",
    "unknown_root",
]

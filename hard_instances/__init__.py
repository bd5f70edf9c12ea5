"""Constructions that defeat samplers, each with a certificate of what it proves."""

from hard_instances.certificate import CERTIFICATES, Certificate, certificate
from hard_instances.counting_ones import error_amplification, perfect_value
from hard_instances.extinction import extinction
from hard_instances.hidden_prefix import hidden_prefix
from hard_instances.reward_hacking import reward_hacking, true_reward
from hard_instances.two_paths import delayed_reward, sharpest_guidance

__all__ = [
    "CERTIFICATES",
    "Certificate",
    "certificate",
    "delayed_reward",
    "error_amplification",
    "extinction",
    "hidden_prefix",
    "perfect_value",
    "reward_hacking",
    "sharpest_guidance",
    "true_reward",
]

"""Beyond the paper: eleven results that an exact laboratory can show, each with what decides it and its curves.

Each function returns a `Discovery`. Its checks are rows of ``treesim verify``, its curves a figure of
``treesim demo discoveries``, its page is in docs/discoveries/.
"""

from __future__ import annotations

from collections.abc import Callable

from treesim.hard_instances.discoveries.average_case import average_case
from treesim.hard_instances.discoveries.discovery import Discovery
from treesim.hard_instances.discoveries.errors_add_like_roots import errors_add_like_roots
from treesim.hard_instances.discoveries.exact_guided import exact_guided
from treesim.hard_instances.discoveries.first_leaf import first_leaf
from treesim.hard_instances.discoveries.log_inherent import log_inherent
from treesim.hard_instances.discoveries.log_not_loglog import log_not_loglog
from treesim.hard_instances.discoveries.perfect_value_particles import perfect_value_particles
from treesim.hard_instances.discoveries.race import race
from treesim.hard_instances.discoveries.sharper_hidden_prefix import sharper_hidden_prefix
from treesim.hard_instances.discoveries.single_or_many import single_or_many
from treesim.hard_instances.discoveries.which_loss import which_loss

DISCOVERIES: dict[str, Callable[[], Discovery]] = {
    "exact-guided": exact_guided,
    "first-leaf": first_leaf,
    "sharper-hidden-prefix": sharper_hidden_prefix,
    "single-or-many": single_or_many,
    "log-not-loglog": log_not_loglog,
    "log-inherent": log_inherent,
    "race": race,
    "perfect-value-particles": perfect_value_particles,
    "average-case": average_case,
    "errors-add-like-roots": errors_add_like_roots,
    "which-loss": which_loss,
}

__all__ = ["DISCOVERIES", "Discovery"]

"""A chain of two tokens whose reward counts one of them: does what there is to learn grow with the horizon?"""

from __future__ import annotations

import math

import numpy as np

from treesim.graphs.trellis import Trellis
from treesim.graphs.values import optimal_twist
from treesim.instances.instance import Instance
from treesim.instances.path_states import Count, split
from treesim.instances.perturbations import perturb
from treesim.scaled import Scaled
from treesim.spec import require_one_of, require_whole

TRANSITION = ((0.7, 0.3), (0.4, 0.6))
# Of token 1 in the long run.
SHARE = 3.0 / 7.0
FLOOR = 0.05
# The growths of the reward, and how strong it is if nothing is said.
GROWTHS = {"extensive": 0.5, "diffusive": 1.0, "intensive": 2.0, "threshold": 0.5}


def counting_chain(
    horizon: int,
    growth: str = "diffusive",
    strength: float | None = None,
    perturbation: str = "exact",
    epsilon: str | float | None = None,
    ratio_cap: float | None = None,
    seed: int = 0,
) -> Instance:
    """Two tokens that tend to repeat, as a trellis that knows the last one and how many were 1: rewards by that number.

    With S the number of ones, mu = 3/7 their share and s the strength, the reward is exp(s S) (``extensive``: log phi
    varies like T), exp(s (S - mu T) / sqrt(T)) (``diffusive``: it varies as much at any T), exp(s S / T)
    (``intensive``: less and less), or 1 where S > mu T + s sqrt(T) and 0.05 elsewhere (``threshold``).

    Examples
    --------
    >>> instance = counting_chain(horizon=100, growth="intensive")
    >>> instance.graph.n_nodes, instance.graph.log2_paths
    (10101, 100.0)
    """
    require_whole("horizon", horizon, 1)
    require_one_of("growth", growth, GROWTHS)
    s = GROWTHS[growth] if strength is None else strength
    chain = Trellis.markov(TRANSITION, horizon, initial=[1.0 - SHARE, SHARE])
    plain = Instance(chain, Scaled.from_float(np.ones(chain.n_nodes)))
    graph = split(plain, [Count("count:1", 1)])[0].graph
    # The leaves come by token and number: `split` orders them so.
    ones = np.concatenate([np.arange(horizon), np.arange(1, horizon + 1)])
    over = ones - SHARE * horizon
    log_reward = {
        "extensive": s * ones,
        "diffusive": s * over / math.sqrt(horizon),
        "intensive": s * ones / horizon,
        "threshold": np.where(over > s * math.sqrt(horizon), 0.0, math.log(FLOOR)),
    }[growth]
    twist = optimal_twist(graph, log_reward)
    return Instance(graph, perturb(graph, twist, perturbation, epsilon, ratio_cap, seed))

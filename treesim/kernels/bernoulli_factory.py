"""Steps by rejection, and a Bernoulli factory, from draws of pi_ref and values alone."""

import math

from treesim.kernels import kernel
from treesim.kernels.walk import draw_edge

# gamma of Huber (2014): how fast the factory's certainty is spent.
SHARE = 0.5
THRESHOLD = 2.3


@kernel
def _coin(start, stop, prob, child, mantissa, exponent, here, power, log2_bound, rng):
    """Draw a child; whether a point below L V(prefix) is below its value. Returns the edge, and heads or not."""
    k = draw_edge(start, stop, prob, rng)
    c = k if child.shape[0] == 0 else child[k]
    share = mantissa[c] / here * 2.0 ** (float(exponent[c] - power) - log2_bound)
    return k, rng.random() < share


@kernel
def factory_step(layer, value, ahead, log2_bound, scale, gap, node, rng, passed, draws):
    """For every replicate a coin of probability `scale` times that of the coin at its node; adds the draws made.

    Huber (2014), Algorithm 1: a walk on the exponents of x = scale p, for which x^i is harmonic.
    """
    ptr, prob, child = layer
    here, here_power = value
    mantissa, exponent = ahead
    base = ptr[0]
    for i in range(node.shape[0]):
        start, stop = ptr[node[i]] - base, ptr[node[i] + 1] - base
        m, e = here[node[i]], here_power[node[i]]
        if scale <= 1.0:
            passed[i] = rng.random() < scale
            if passed[i]:
                draws[i] += 1
                _, passed[i] = _coin(start, stop, prob, child, mantissa, exponent, m, e, log2_bound, rng)
            continue
        place, factor, slack = 1, scale, gap
        limit = THRESHOLD / (SHARE * gap)
        # Heads come out with probability (factor p)^place: coins keep its mean, and so do thresholds with a new factor.
        while True:
            while 0 < place < limit:
                draws[i] += 1
                _, heads = _coin(start, stop, prob, child, mantissa, exponent, m, e, log2_bound, rng)
                if heads:
                    place -= 1
                else:
                    place += math.floor(math.log(1.0 - rng.random()) / -math.log(factor))
            if place == 0:
                passed[i] = True
                break
            if rng.random() >= (1.0 + SHARE * slack) ** (-place):
                passed[i] = False
                break
            factor *= 1.0 + SHARE * slack
            slack *= 1.0 - SHARE
            limit /= 1.0 - SHARE


@kernel
def rejection_step(layer, value, ahead, log2_bound, node, rng, draws):
    """Replace the node of every replicate by an edge, drawn until its coin shows heads; adds the draws made."""
    ptr, prob, child = layer
    here, here_power = value
    mantissa, exponent = ahead
    base = ptr[0]
    for i in range(node.shape[0]):
        start, stop = ptr[node[i]] - base, ptr[node[i] + 1] - base
        m, e = here[node[i]], here_power[node[i]]
        heads = False
        k = start
        while not heads:
            draws[i] += 1
            k, heads = _coin(start, stop, prob, child, mantissa, exponent, m, e, log2_bound, rng)
        node[i] = k

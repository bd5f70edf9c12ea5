"""Markov chains on the nodes or leaves of a tree: one step of their laws, and their simulation."""

from numba import njit


@njit(nogil=True, cache=True)
def backtracking_steps(steps, edge_ptr, parent, up, down, law, next_law):
    """The law of the lazy walk after `steps` steps: half stay; else to the parent, or down an edge."""
    n_inner = edge_ptr.shape[0] - 1
    for _ in range(steps):
        next_law[:] = 0.5 * law
        for v in range(law.shape[0]):
            moving = 0.5 * law[v]
            if moving == 0.0:
                continue
            if v > 0:
                next_law[parent[v]] += moving * up[v]
            if v < n_inner:
                for e in range(edge_ptr[v], edge_ptr[v + 1]):
                    next_law[e + 1] += moving * down[e]
        law[:] = next_law


@njit(nogil=True, cache=True)
def walk_backtracking(steps, first_leaf, stops, edge_ptr, parent, up, down, rng, node, reads):
    """Walks of `steps` steps, or if `stops` until the first leaf. Returns how many children were asked for."""
    asked = 0
    for i in range(node.shape[0]):
        v = 0
        reads[i] = 0
        step = 0
        while stops or step < steps:
            step += 1
            u = rng.random()
            if not stops:
                if u < 0.5:
                    continue
                u = 2.0 * (u - 0.5)
            if v < first_leaf:
                asked += edge_ptr[v + 1] - edge_ptr[v]
            u -= up[v]
            if u < 0.0:
                v = parent[v]
                continue
            if v >= first_leaf:
                continue
            chosen = -1
            for e in range(edge_ptr[v], edge_ptr[v + 1]):
                if down[e] > 0.0:
                    chosen = e
                    u -= down[e]
                    if u < 0.0:
                        break
            if chosen >= 0:
                v = chosen + 1
            if stops and v >= first_leaf:
                break
        node[i] = v
        reads[i] = step
    return asked


@njit(nogil=True, cache=True)
def suffix_step(starts, order, prob, reward, law, out):
    """Add one step of random-suffix Metropolis at one level: the suffix after each prefix is drawn anew.

    ``order`` lists the leaves prefix by prefix, each in increasing order of reward; prefix ``j`` has the places
    ``starts[j] .. starts[j + 1]``. A leaf y is reached from all x of its prefix, with min(1, phi(y)/phi(x)); 0/0 is 1.
    """
    for j in range(starts.shape[0] - 1):
        begin, end = starts[j], starts[j + 1]
        total = 0.0
        for i in range(begin, end):
            total += prob[order[i]]
        if total == 0.0:
            for i in range(begin, end):
                out[order[i]] += law[order[i]]
            continue
        # From the highest reward down: law(x) / phi(x) of those above; from the lowest up: law(x) of those below.
        above = 0.0
        for i in range(end - 1, begin - 1, -1):
            x = order[i]
            out[x] += prob[x] / total * reward[x] * above
            if reward[x] > 0.0:
                above += law[x] / reward[x]
        below, worth, chance = 0.0, 0.0, 0.0
        for i in range(begin, end):
            if reward[order[i]] > 0.0:
                break
            below += law[order[i]]
        for i in range(begin, end):
            x = order[i]
            if reward[x] > 0.0:
                below += law[x]
                # Of what is drawn at x all at or above its reward is accepted, and the ratio of what is below.
                refused = (chance - worth / reward[x]) / total
                out[x] += law[x] * max(0.0, refused)
            out[x] += prob[x] / total * below
            chance += prob[x]
            worth += prob[x] * reward[x]

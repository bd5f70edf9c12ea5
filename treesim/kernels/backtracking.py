"""The backtracking walk on the nodes of a tree, plain and with momentum: steps of its law, and its simulation."""

import numpy as np

from treesim.kernels import kernel


@kernel
def backtracking_steps(steps, edge_ptr, parent, up, down, law, visits):
    """The law of the lazy walk after `steps` steps: half stay; else to the parent, or down an edge.

    ``visits`` gains the expected number of steps that move on from each node.
    """
    n_inner = edge_ptr.shape[0] - 1
    next_law = np.empty(law.shape[0])
    for _ in range(steps):
        for v in range(law.shape[0]):
            next_law[v] = 0.5 * law[v]
        # `next_law` holds the half that stays everywhere, and what the nodes before v send on.
        for v in range(law.shape[0]):
            moving = 0.5 * law[v]
            if moving == 0.0:
                continue
            visits[v] += moving
            if v > 0:
                next_law[parent[v]] += moving * up[v]
            if v < n_inner:
                for e in range(edge_ptr[v], edge_ptr[v + 1]):
                    next_law[e + 1] += moving * down[e]
        for v in range(law.shape[0]):
            law[v] = next_law[v]


@kernel
def momentum_steps(steps, edge_ptr, parent, goes_up, turns_up, down, law, visits):
    """The law after `steps` steps of the walk with momentum, those that look down first, then those that look up.

    ``visits`` gains the expected number of arrivals, the start being one, from which a step is still made.
    """
    n_inner = edge_ptr.shape[0] - 1
    next_law, arrived = np.empty(law.shape), np.zeros(law.shape[1])
    arrived[0] = 1.0
    for _ in range(steps):
        visits += arrived
        next_law[:] = 0.0
        arrived[:] = 0.0
        for v in range(law.shape[1]):
            looks_down, looks_up = law[0, v], law[1, v]
            if looks_down > 0.0:
                next_law[1, v] += looks_down * turns_up[v]
                if v < n_inner:
                    for e in range(edge_ptr[v], edge_ptr[v + 1]):
                        next_law[0, e + 1] += looks_down * down[e]
                        arrived[e + 1] += looks_down * down[e]
            if looks_up > 0.0:
                next_law[0, v] += looks_up * (1.0 - goes_up[v])
                if v > 0:
                    next_law[1, parent[v]] += looks_up * goes_up[v]
                    arrived[parent[v]] += looks_up * goes_up[v]
        for v in range(law.shape[1]):
            law[0, v], law[1, v] = next_law[0, v], next_law[1, v]


@kernel
def walk_backtracking(steps, first_leaf, leaves, edge_ptr, parent, degree, up, down, rng, node):
    """Lazy walks of `steps` steps, or if `leaves` is not zero until so many leaves were visited, then never lazy.

    Returns how many children were asked for.
    """
    asked = 0
    for i in range(node.shape[0]):
        v, step, left = 0, 0, leaves
        # u is uniform on what the moves not yet refused leave of [0, 1): up first, then the edges in order.
        while leaves > 0 or step < steps:
            step += 1
            u = rng.random()
            if leaves == 0:
                if u < 0.5:
                    continue
                u = 2.0 * (u - 0.5)
            if v < first_leaf:
                asked += degree[v]
            u -= up[v]
            if u < 0.0:
                v = parent[v]
                continue
            if v >= first_leaf:
                continue
            chosen = edge_below(v, edge_ptr, down, u)
            if chosen >= 0:
                v = chosen + 1
            if v >= first_leaf:
                left -= 1
                if left == 0:
                    break
        node[i] = v
    return asked


@kernel
def walk_momentum(steps, first_leaf, leaves, edge_ptr, parent, degree, goes_up, turns_up, down, rng, node):
    """Walks with momentum of `steps` steps, or if `leaves` is not zero until so many leaves were visited.

    Returns how many children were asked for: those of a node at each arrival, not again after a turn.
    """
    asked = 0
    for i in range(node.shape[0]):
        v, step, left, looks_down, is_new = 0, 0, leaves, True, True
        while leaves > 0 or step < steps:
            step += 1
            if is_new and v < first_leaf:
                asked += degree[v]
            is_new = False
            u = rng.random()
            if not looks_down:
                if u >= goes_up[v]:
                    looks_down = True
                elif v > 0:
                    v = parent[v]
                    is_new = True
                continue
            u -= turns_up[v]
            if u < 0.0:
                looks_down = False
                continue
            chosen = edge_below(v, edge_ptr, down, u)
            if chosen < 0:
                looks_down = False
                continue
            v = chosen + 1
            is_new = True
            if v >= first_leaf:
                left -= 1
                if left == 0:
                    break
        node[i] = v
    return asked


@kernel
def edge_below(v, edge_ptr, down, u):
    """The edge in whose stretch of the cumulated probabilities u lies; -1 if none can be taken."""
    chosen = -1
    for e in range(edge_ptr[v], edge_ptr[v + 1]):
        if down[e] > 0.0:
            chosen = e
            u -= down[e]
            if u < 0.0:
                break
    return chosen

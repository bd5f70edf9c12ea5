"""The backtracking walk on the nodes of a tree: steps of its law, and its simulation."""

from numba import njit


@njit(nogil=True, cache=True)
def backtracking_steps(steps, edge_ptr, parent, up, down, law, next_law):
    """The law of the lazy walk after `steps` steps: half stay; else to the parent, or down an edge."""
    n_inner = edge_ptr.shape[0] - 1
    for _ in range(steps):
        next_law[:] = 0.5 * law
        # `next_law` holds the half that stays everywhere, and what the nodes before v send on.
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
def walk_backtracking(steps, first_leaf, stops, edge_ptr, parent, degree, up, down, rng, node):
    """Walks of `steps` steps, or if `stops` until the first leaf. Returns how many children were asked for."""
    asked = 0
    for i in range(node.shape[0]):
        v = 0
        step = 0
        # u is uniform on what the moves not yet refused leave of [0, 1): up first, then the edges in order.
        while stops or step < steps:
            step += 1
            u = rng.random()
            if not stops:
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
    return asked

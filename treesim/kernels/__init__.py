"""Numba kernels: plain arrays in, plain arrays out, no objects, no options, no errors raised.

All walk a *layer*, the edges between two neighbouring levels, given by three arrays with local numbering:
``ptr [n_parents + 1]`` (edges of parent ``v`` are ``ptr[v] - ptr[0] .. ptr[v + 1] - ptr[0]``),
``prob [n_edges]`` and ``child [n_edges]``, empty where edge ``k`` leads to child ``k``: a tree.
"""

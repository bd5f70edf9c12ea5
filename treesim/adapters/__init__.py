"""Inference-time-scaling libraries on trees: their own samplers, untouched, with the tree as language and reward model.

One file a library, imported when it is asked for. Each has ALGORITHMS, classes of the form that `register_sampler`
takes: what a library asks of its models is asked of the oracle, which keeps the ledger. `register_library`, or an entry
point of the group ``treesim.libraries``, hooks up a library of your own; `seeded` is for those that draw from the
global generators, `pick` draws a particle by its log-weight.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

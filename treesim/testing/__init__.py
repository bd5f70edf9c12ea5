"""For test suites: does a sampler draw from the law it claims?

`check_sampler` compares draws with an exact law. Its false-alarm rate holds at any number of draws, and it says how far
from the law a sampler would have had to be for it to be caught; with ``exact=True`` all runs of the sampler take the
place of draws. `treesim.testing.strategies` has random instances for
hypothesis; the pytest plugin has small standard ones.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

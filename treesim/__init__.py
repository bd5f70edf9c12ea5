"""treesim: the exact laboratory for inference-time scaling.

Trees whose reference policy, reward and optimal twist are known exactly, approximate values of controlled Bellman
error, and the exact output law of every sampler, with its total variation distance to the target.

>>> import treesim
>>> instance = treesim.family("uniform", horizon=6, perturbation="random-sign", epsilon="0.25/T")
>>> law = treesim.sampler("sp-gsmc").law(instance)
>>> law.tv(instance.target).hi <= treesim.guidance_bound(6, instance.audit.bellman_error).sharp
True
"""

from pathlib import Path

import lazy_loader

if not (Path(__file__).parent / "cli").is_dir():
    # A checkout: `treesim.cli` and `treesim.hard_instances` lie beside this folder. A wheel has them inside it.
    __path__.append(str(Path(__file__).parent.parent))

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

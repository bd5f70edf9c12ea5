import pytest
from hypothesis import settings

# The same examples in every run; "--hypothesis-profile explore" looks for new ones.
settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("fixed")


@pytest.fixture(autouse=True)
def no_samplers_left_behind():
    """What a test registers is forgotten after it."""
    from treesim import SAMPLERS

    known = set(SAMPLERS)
    yield
    for name in set(SAMPLERS) - known:
        del SAMPLERS[name]

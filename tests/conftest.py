import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers

# The same examples in every run; "--hypothesis-profile explore" looks for new ones, and for many more.
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("fixed")


def pytest_configure(config):
    """Examples come from their seed alone.

    hypothesis also draws from the constants of whichever modules of ours happen to be loaded, so that the files that
    are run, their order, and any literal anywhere would change them. Exploring may.
    """
    if config.getoption("--hypothesis-profile", default=None) != "explore":
        providers._get_local_constants = lambda: providers._local_constants


@pytest.fixture(autouse=True)
def no_samplers_left_behind():
    """What a test registers is forgotten after it."""
    from treesim import SAMPLERS

    known = set(SAMPLERS)
    yield
    for name in set(SAMPLERS) - known:
        del SAMPLERS[name]

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


def pytest_collection_modifyitems(items):
    """Tests that need the same kernels run in the same process: where nothing is cached each is compiled once."""
    for item in items:
        wing = item.path.parent.name
        if wing in ("graphs", "laws", "samplers") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(wing))


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """What a test registers is forgotten after it."""
    from treesim import FAMILIES, SAMPLERS

    known = [(registry, set(registry)) for registry in (SAMPLERS, FAMILIES)]
    yield
    for registry, names in known:
        for name in set(registry) - names:
            del registry[name]

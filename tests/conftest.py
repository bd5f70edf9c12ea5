import gc
import os
import re
from collections import Counter
from functools import cache

# Before numpy is loaded, here and in processes that tests start: there is one of them a core already.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers

# The same examples in every run; "--hypothesis-profile explore" looks for new ones, and for many more.
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("fixed")


gc.disable()  # nothing that is collected is garbage


def pytest_configure(config):
    """Examples come from their seed alone.

    hypothesis also draws from the constants of whichever modules of ours happen to be loaded, so that the files that
    are run, their order, and any literal anywhere would change them. Exploring may.
    """
    if config.getoption("--hypothesis-profile", default=None) != "explore":
        providers._get_local_constants = lambda: providers._local_constants


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Every second process begins with the last file: what one has compiled, another finds."""
    report = yield
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    if isinstance(collector, pytest.Dir) and int(worker.removeprefix("gw")) % 2:
        report.result.reverse()
    return report


# Tests that share long computations, one browser, or kernels. The first process takes the kernels that most others use,
# the second meanwhile those that nobody else does: each is compiled once where nothing is kept.
TOGETHER = {
    "laws": r"treesim/(laws|samplers|kernels|empirical)/",
    "compiled": r"treesim[/.]compiled|cli/test_stream|test_help.*stream tree.py|docs-compiled-trees",
    "graphs": r"treesim/graphs/",
    "pages": r"cli/test_pages",
    "site": r"test_built_site",
    "discoveries": r"discoveries|test_the_battery_holds",
    "experiments": r"experiment",
}


@cache
def scope(nodeid):
    """What runs in one process: a group, or the cases of one test."""
    test = nodeid.partition("[")[0]
    return next((name for name, what in TOGETHER.items() if re.search(what, nodeid)), test)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """One process for what belongs together, in the order of tests; the rest goes to whoever is free.

    The groups of ``--dist loadgroup`` are lost where pytest keeps the names of tests to itself.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return scope(nodeid)

    config.option.loadscopereorder = False
    return Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """The normal run tries every fourth of hypothesis' examples; ``-m slow`` is these tests with all of them."""
    sizes, groups = Counter(scope(item.nodeid) for item in items), list(TOGETHER)

    def place(item):
        """Groups in their order, then what has most cases; files by their names, whichever came first."""
        own = scope(item.nodeid)
        return groups.index(own) if own in groups else len(groups), -sizes[own], item.path

    items.sort(key=place)
    random = [item for item in items if getattr(getattr(item, "obj", None), "is_hypothesis_test", False)]
    random = [item for item in random if item.get_closest_marker("long") is None]
    for item in random:
        item.add_marker("slow")
    explores = config.getoption("--hypothesis-profile", default=None) == "explore"
    if "slow" not in config.getoption("markexpr") and not explores:
        for test in {item.obj for item in random}:
            asked = test._hypothesis_internal_use_settings
            test._hypothesis_internal_use_settings = settings(asked, max_examples=-(-asked.max_examples // 4))


def pytest_collection_finish():
    """What is loaded stays: nobody looks through it for garbage, and seldom through the rest."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """What a test registers is forgotten after it."""
    from treesim import FAMILIES, SAMPLERS

    known = [(registry, set(registry)) for registry in (SAMPLERS, FAMILIES)]
    yield
    for registry, names in known:
        for name in set(registry) - names:
            del registry[name]


@pytest.fixture(scope="session")
def discovered():
    """Each discovery is computed once in a process, however many tests look at it."""
    from treesim.hard_instances.discoveries import DISCOVERIES

    yield from _computed_once(DISCOVERIES)


@pytest.fixture(scope="session")
def experimented():
    """Each experiment is computed once in a process."""
    from treesim.studies.experiments import EXPERIMENTS

    yield from _computed_once(EXPERIMENTS)


def _computed_once(makers):
    before = dict(makers)
    makers.update({name: cache(make) for name, make in makers.items()})
    yield makers
    makers.update(before)

"""Work that is spread is the same work."""

import time

import pytest

from treesim.errors import SpecError, TreesimError
from treesim.studies.spread import Failed, Finished, in_order, spread


def halved(n):
    if n % 2:
        raise SpecError(f"{n} is odd")
    return n // 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_items_come_with_their_results_or_with_why_they_have_none(jobs):
    found = dict(spread(halved, [4, 3, 2], jobs))
    assert found == {4: 2, 3: Failed("3 is odd"), 2: 1}


def halved_slowly(n):
    """The first of the items below is the last to be done."""
    time.sleep(0.5 if n == 6 else 0.0)
    return halved(n)


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_are_in_the_order_of_their_items_each_once(jobs):
    seen = []
    items = [6, 2, 2, 4]
    found = in_order(halved_slowly, items, jobs, track=lambda each: (seen.append(len(each)) or one for one in each))
    assert found == [3, 1, 1, 2]
    assert seen == [4] * 4


def test_the_first_that_fails_ends_the_rest():
    with pytest.raises(TreesimError, match=r"^3 is odd$"):
        in_order(halved, [2, 3, 4])


def test_how_much_is_to_come_is_known():
    assert len(Finished(iter([1, 2]), 2)) == 2


def test_dask_does_the_work():
    distributed = pytest.importorskip("distributed", reason="needs the extra treesim[dask]")
    with distributed.LocalCluster(1, processes=False, dashboard_address=":0") as cluster:
        found = dict(spread(halved, [4, 3], dask=cluster.scheduler_address))
    assert found == {4: 2, 3: Failed("3 is odd")}

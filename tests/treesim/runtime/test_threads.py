import threading

import pytest

from treesim import TreesimError
from treesim.runtime.threads import chunked, n_threads, thread_map


@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_results_come_in_order(threads, monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", threads)
    assert thread_map(lambda x: x * x, range(20)) == [x * x for x in range(20)]


def test_work_inside_work_does_not_wait_for_itself(monkeypatch):
    """As many tasks as threads, each of which maps over tasks of its own: a pool that queued these would hang."""
    monkeypatch.setenv("TREESIM_THREADS", "2")
    monkeypatch.setattr("treesim.runtime.threads.SMALLEST_CHUNK", 1)
    barrier = threading.Barrier(2, timeout=20)

    def outer(i):
        barrier.wait()
        seen = []
        chunked(lambda lo, hi: seen.extend(range(lo, hi)), 10)
        return sum(thread_map(lambda j: i * j, range(4))) + sum(sorted(seen))

    done = []
    worker = threading.Thread(target=lambda: done.append(thread_map(outer, [0, 1])), daemon=True)
    worker.start()
    worker.join(timeout=20)
    assert done == [[45, 51]]


def test_chunks_cover_everything_once(monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", "3")
    monkeypatch.setattr("treesim.runtime.threads.SMALLEST_CHUNK", 2)
    parts = []
    chunked(lambda lo, hi: parts.append((lo, hi)), 11)
    assert sorted(parts) == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 11)]


def test_a_number_of_threads_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", "many")
    with pytest.raises(TreesimError, match="TREESIM_THREADS is 'many'"):
        n_threads()

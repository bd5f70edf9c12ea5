import os
import signal
import subprocess
import sys
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


def test_little_work_is_left_to_nobody_else(monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", "2")
    assert thread_map(lambda _: threading.get_ident(), range(50), work=1000) == [threading.get_ident()] * 50


def test_a_number_of_threads_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", "many")
    with pytest.raises(TreesimError, match="TREESIM_THREADS is 'many'"):
        n_threads()


@pytest.mark.parametrize("threads", ["1", "3"])
def test_interruptible_work_leaves_the_main_thread_alone(threads, monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", threads)
    main = threading.main_thread()
    seen = thread_map(lambda x: (x, threading.current_thread() is main), range(6), interruptible=True)
    assert seen == [(x, False) for x in range(6)]
    with pytest.raises(ZeroDivisionError):
        thread_map(lambda x: 1 // (x - 3), range(6), interruptible=True)


@pytest.fixture
def heard():
    """SIGINT as in a terminal: in the background it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_after_an_interrupt_nobody_starts_another_item(monkeypatch, heard):
    monkeypatch.setenv("TREESIM_THREADS", "2")
    started, go_on = [], threading.Event()

    def work(i):
        started.append(i)
        if i == 1:
            os.kill(os.getpid(), signal.SIGINT)
        go_on.wait(20)

    with pytest.raises(KeyboardInterrupt):
        thread_map(work, range(50), interruptible=True)
    go_on.set()
    assert thread_map(lambda x: x, range(8), interruptible=True) == list(range(8))
    assert sorted(started) == [0, 1]


SCRIPT = """
import os, signal, sys, threading
from treesim import family, sampler
signal.signal(signal.SIGINT, signal.default_int_handler)
instance = family("dirichlet", horizon=2, perturbation="random-sign", epsilon=0.05, seed=0)
chosen = sampler(sys.argv[1])
chosen.simulate(instance, 10, 0)
caught = 0
for i in range(10):
    threading.Timer(0.02 + 0.01 * i, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        while True:
            chosen.simulate(instance, 20_000, i)
    except KeyboardInterrupt:
        caught += 1
print(caught)
"""


@pytest.mark.parametrize("spec", ["exact-guided", "particle-gibbs:particles=4,sweeps=2"])
def test_ctrl_c_from_python_is_an_exception_and_no_crash(spec):
    done = subprocess.run([sys.executable, "-c", SCRIPT, spec], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "10\n"), done.stderr


def test_no_chunk_is_empty_however_much_work_there_is(monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", "3")
    parts = []
    chunked(lambda lo, hi: parts.append((lo, hi)), 2, 10**9)
    assert sorted(parts) == [(0, 1), (1, 2)]

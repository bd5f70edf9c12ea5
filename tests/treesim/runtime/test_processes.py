"""Processes that share work: one that dies costs one item, and none is left."""

import multiprocessing
import os
import signal
import time

import pytest

from treesim import TreesimError
from treesim.runtime import processes
from treesim.runtime.processes import Death, process_map

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")


def square(n):
    return n * n


def square_or_die(n):
    if n == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if n == 4:
        os._exit(7)
    return n * n


def process_id(_):
    return os.getpid()


def interrupt(_):
    os.kill(os.getpid(), signal.SIGINT)
    return "here"


def stay_or_go(stays):
    if stays:
        time.sleep(1000)


def told(name):
    return os.environ.get(name)


def ids_left():
    return [child.pid for child in multiprocessing.active_children()]


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_every_item_has_its_answer(jobs):
    assert sorted(process_map(square, range(6), jobs)) == [(n, n * n) for n in range(6)]
    assert ids_left() == []


def test_cores_are_shared_where_nobody_said_how(monkeypatch):
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "TREESIM_THREADS")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(processes, "n_threads", lambda: 8)
    assert dict(process_map(told, names, 3)) == dict.fromkeys(names, "2")
    assert dict(process_map(told, names[:2], 9)) == dict.fromkeys(names[:2], "4")
    monkeypatch.setattr(processes, "n_threads", lambda: 1)
    assert dict(process_map(told, names, 2)) == dict.fromkeys(names, "1")
    assert not any(name in os.environ for name in names)
    monkeypatch.setattr(processes, "n_threads", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert dict(process_map(told, names, 1)) == dict.fromkeys(names, "8") | {"OMP_NUM_THREADS": "5"}
    assert os.environ["OMP_NUM_THREADS"] == "5"


def test_no_items_need_no_processes():
    assert list(process_map(square, [], 3)) == []


def test_a_process_that_dies_costs_one_item():
    answers = dict(process_map(square_or_die, range(8), 2))
    assert {n: answers[n] for n in range(8) if n not in (3, 4)} == {n: n * n for n in (0, 1, 2, 5, 6, 7)}
    assert answers[3] == Death(-signal.SIGKILL) and "killed by signal 9" in str(answers[3])
    assert answers[4] == Death(7) and "exit code 7" in str(answers[4])
    assert ids_left() == []


def test_processes_work_side_by_side():
    ids = {answer for _, answer in process_map(process_id, range(40), 2)}
    assert len(ids) <= 2 and os.getpid() not in ids


def test_none_is_left_when_it_is_closed():
    answers = process_map(stay_or_go, [True, False, False], 2)
    next(answers)
    assert ids_left()
    answers.close()
    assert ids_left() == []


def test_ctrl_c_is_the_parents_to_answer():
    assert [answer for _, answer in process_map(interrupt, range(3), 1)] == ["here"] * 3


class Fatal:
    """What ends the process that reads it."""

    def __reduce__(self):
        return os._exit, (3,)


def test_a_process_that_cannot_start_is_told():
    with pytest.raises(TreesimError, match="a process could not start"):
        list(process_map(Fatal(), [1], 1))
    assert ids_left() == []

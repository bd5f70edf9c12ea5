"""Logs are read as they were written, and what is none is named by file and line."""

import json

import numpy as np
import pytest

from treesim import MeasureError, family
from treesim.measure import Recorder, read_log
from treesim.measure.simulation import guided_log, reference_log


def write(path, rows):
    path.write_text("".join(row + "\n" if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def guided(run, step, value, pool, kept, **more):
    return {"run": run, "step": step, "value": value, "pool": pool, "kept": kept, **more}


def record(log, path, scale):
    with Recorder(path, scale) as recorder:
        # Runs take turns.
        for t in range(log.lengths.max()):
            for i in range(len(log.runs)):
                line = log.start[i] + t
                pool = log.log_pool[log.pool_start[line] : log.pool_start[line + 1]]
                if scale == "linear":
                    numbers, value = np.exp(pool), np.exp(log.log_value[line])
                else:
                    numbers, value = pool, log.log_value[line]
                if log.is_guided:
                    recorder.step(i, value, pool=numbers, kept=log.kept[line])
                else:
                    recorder.step(i, value)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_what_a_recorder_writes_is_read_back(tmp_path, scale):
    instance = family("dirichlet", horizon=3, reward="sparse:share=0.3", seed=2)
    for n, log in enumerate((guided_log(instance, 3, 20, seed=1), reference_log(instance, 20, seed=1))):
        path = tmp_path / f"{n}.jsonl"
        record(log, path, scale)
        found = read_log(path)
        assert found.runs == log.runs and found.is_guided == log.is_guided
        for name in ("start", "pool_start", "kept"):
            assert getattr(found, name).tolist() == getattr(log, name).tolist(), name
        for name in ("log_value", "log_pool"):
            np.testing.assert_allclose(getattr(found, name), getattr(log, name), rtol=1e-12, atol=1e-12)


def test_scales_say_the_same(tmp_path):
    value = [0.25, 0.5, 0.0, 1.0]
    for scale, spell in (("linear", lambda v: v), ("log", np.log), ("logit", lambda v: np.log(v) - np.log1p(-v))):
        with np.errstate(divide="ignore"), Recorder(tmp_path / f"{scale}.jsonl", scale) as recorder:
            for v in map(np.float64, value):
                recorder.step("a", spell(v))
        text = (tmp_path / f"{scale}.jsonl").read_text()
        assert ('"-Infinity"' in text) == (scale != "linear")
        np.testing.assert_allclose(np.exp(read_log(tmp_path / f"{scale}.jsonl").log_value), value)
        assert read_log(tmp_path / f"{scale}.jsonl", scale).start.tolist() == [0, 4]
    bare = write(tmp_path / "bare.jsonl", [{"run": 1, "step": 1, "value": -700.0}, {"run": 1, "step": 2, "value": 0}])
    assert read_log(bare, "log").log_value.tolist() == [-700.0, 0.0]
    assert np.exp(read_log(bare, "logit").log_value)[1] == pytest.approx(0.5)


FIRST = guided("a", 0, 0.5, [0.25, 0.75], 1)
BAD = {
    "no JSON": ([FIRST, '{"run": "a", "st'], "line 2: no JSON"),
    "no object": ([FIRST, "[1, 2]"], "line 2: [1, 2], expected an object with run, step and value"),
    "no value": ([{"run": 1, "step": 0}], "line 1: there is no 'value'"),
    "no run": ([{"step": 0, "value": 1}], "line 1: there is no 'run'"),
    "negative": ([guided("a", 0, 0.5, [0.5, -0.1], 0)], "line 1: pool has -0.1, expected finite numbers of at least 0"),
    "negative value": ([FIRST, {**FIRST, "run": "b", "value": -1}], "line 2: value has -1"),
    "infinite": ([guided("a", 0, 0.5, [1.0, float("inf")], 0)], "line 1: pool has inf"),
    "NaN": ([guided("a", 0, 0.5, [1.0, float("nan")], 0)], "line 1: pool has nan"),
    "text": ([guided("a", 0, "0.5", [1.0], 0)], "line 1: value has ['0.5'], expected numbers"),
    "truth": ([guided("a", 0, True, [1.0], 0)], "line 1: value has [True], expected numbers"),
    "huge": ([guided("a", 0, 10**400, [1.0], 0)], "line 1: value has "),
    "kept": ([guided("a", 0, 0.5, [0.5, 0.5], 2)], "line 1: kept is 2, expected a number from 0 to 1"),
    "kept is negative": ([guided("a", 0, 0.5, [0.5, 0.5], -1)], "line 1: kept is -1"),
    "kept is true": ([guided("a", 0, 0.5, [0.5, 0.5], True)], "line 1: kept is True"),
    "empty pool": ([guided("a", 0, 0.5, [], 0)], "line 1: pool is [], expected a list of at least one value"),
    "pool alone": ([{"run": 1, "step": 0, "value": 1, "pool": [1]}], "line 1: pool and kept stand together"),
    "gap": ([FIRST, guided("a", 2, 0.75, [1], 0)], "line 2: step 2 of run 'a' comes after a gap (line 1 has step 0)"),
    "twice": ([FIRST, FIRST], "line 2: step 0 of run 'a' is there already (line 1 has step 0); expected 1"),
    "start": ([FIRST, guided("b", 1, 1, [1], 0)], "line 2: run 'b' begins with step 1, expected 0"),
    "step": ([{**FIRST, "step": 0.0}], "line 1: step is 0.0, expected a whole number"),
    "run": ([{**FIRST, "run": [1]}], "line 1: run is [1], expected a text or a whole number"),
    "kinds": ([FIRST, {"run": "a", "step": 1, "value": 0.75}], "line 2: the step has no pool and those before have a"),
    "other kind": ([{"run": "a", "step": 0, "value": 0.75}, guided("b", 0, 1, [1], 0)], "line 2: the step has a pool"),
    "scale": ([{**FIRST, "scale": "dB"}], "line 1: scale is 'dB', expected one of: linear, log, logit"),
    "scales": ([FIRST, {**FIRST, "run": 2, "scale": "log"}], "line 2: the scale is log and before it was linear"),
    "wrong child": ([FIRST, guided("a", 1, 0.25, [1], 0)], "line 2: the value is 0.25, and the child kept before it "),
    "zero child": ([guided("a", 0, 0.5, [0.0, 1.0], 0)], "line 1: the child kept has value 0 and another has not"),
    "nothing": ([], "is empty, expected a line a step"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_log_is_named(tmp_path, name):
    rows, message = BAD[name]
    with pytest.raises(MeasureError) as error:
        read_log(write(tmp_path / "log.jsonl", rows))
    assert message in str(error.value) and str(tmp_path / "log.jsonl") in str(error.value)
    assert "\n" not in str(error.value)


def test_lines_are_told_by_their_place_in_the_file(tmp_path):
    """Not by that among runs, nor among lines that are not empty."""
    path = write(tmp_path / "log.jsonl", [FIRST, "", guided("b", 0, 1, [1], 0), guided("a", 1, 0.25, [1], 0)])
    with pytest.raises(MeasureError, match=r"line 4: the value is 0\.25"):
        read_log(path)
    path = write(tmp_path / "log.jsonl", [FIRST, "", guided("b", 0, 1, [1], 0), guided("a", 1, 0.75, [-1], 0)])
    with pytest.raises(MeasureError, match="line 4: pool has -1"):
        read_log(path)


def test_scores_may_be_rounded(tmp_path):
    read_log(write(tmp_path / "log.jsonl", [FIRST, guided("a", 1, 0.75000001, [1], 0)]))
    with Recorder(tmp_path / "small.jsonl") as log:
        log.step(0, 1e-6, pool=[2e-6], kept=0)
        log.step(0, 2.000001e-6, pool=[1.0], kept=0)
        with pytest.raises(MeasureError, match="expected the same"):
            log.step(0, 0.9, pool=[1.0], kept=0)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(MeasureError, match="does not exist"):
        read_log(tmp_path / "none.jsonl")
    with pytest.raises(MeasureError, match="is a folder"):
        read_log(tmp_path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\n")
    with pytest.raises(MeasureError, match="no text in UTF-8"):
        read_log(tmp_path / "bytes")
    with pytest.raises(MeasureError, match="scale is 'dB', expected one of: linear, log, logit"):
        read_log(tmp_path / "bytes", "dB")
    path = write(tmp_path / "log.jsonl", [{"run": 1, "step": 0, "value": 0.0, "scale": "log"}])
    with pytest.raises(MeasureError, match="the line says that its scale is log, and linear was asked for"):
        read_log(path, "linear")


def test_a_recorder_refuses_what_a_reader_would_and_leaves_no_line(tmp_path):
    path = tmp_path / "log.jsonl"
    with Recorder(path) as log:
        log.step("a", 0.5, pool=[0.25, 0.75], kept=1)
        for arguments, message in (
            (("a", 0.25, [1.0], 0), "the child kept before it had 0.75; expected the same"),
            (("b", -1.0, [1.0], 0), "value is -1, expected a finite number of at least 0"),
            (("b", 1.0, [1.0, float("nan")], 0), "pool is nan"),
            (("b", 1.0, [1.0], 1), "kept is 1, expected a number from 0 to 0"),
            (("b", 1.0, [], 0), "kept is 0, expected"),
            (("b", 1.0, [1.0]), "pool and kept stand together"),
            (("b", 1.0), "with and without pools"),
            (("b", 1.0, [0.0, 2.0], 0), "the child kept has value 0 and another has not"),
        ):
            with pytest.raises(MeasureError, match=message):
                log.step(*arguments)
        log.step("a", 0.75, pool=[1.0], kept=0)
    assert read_log(path).lengths.tolist() == [2]
    with pytest.raises(MeasureError, match="scale is 'dB'"):
        Recorder(path, "dB")
    with pytest.raises(MeasureError, match="cannot write"):
        Recorder(tmp_path / "no" / "log.jsonl")


def test_a_recorder_adds_to_a_log_but_not_to_half_a_line(tmp_path):
    path = tmp_path / "log.jsonl"
    for run in range(2):
        with Recorder(path) as log:
            log.step(run, 0.5)
            # What is written is there at once.
            assert read_log(path).runs == list(range(run + 1))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(MeasureError, match="does not end with a whole line"):
        Recorder(path)


def test_a_line_that_does_not_fit_is_taken_back(tmp_path, monkeypatch):
    path = tmp_path / "log.jsonl"
    log = Recorder(path)
    log.step(0, 0.5)
    whole = path.read_bytes()

    class Full:
        """A file on a disk that has room for ten more bytes."""

        def __init__(self, file):
            self.file = file

        def write(self, line):
            return self.file.write(line[:10])

        def __getattr__(self, name):
            return getattr(self.file, name)

    log._file = Full(log._file)
    with pytest.raises(MeasureError, match="the disk is full"):
        log.step(0, 0.25)
    assert path.read_bytes() == whole
    log.close()


def test_threads_share_a_recorder(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with Recorder(tmp_path / "log.jsonl") as log, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: log.step(i % 7, 0.5), range(700)))
    assert read_log(tmp_path / "log.jsonl").lengths.tolist() == [100] * 7

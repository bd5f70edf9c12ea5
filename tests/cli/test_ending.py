"""How the program ends: Ctrl-C, streams that are closed, full or narrow, users' code, terminals."""

import math
import os
import select
import signal
import time
from pathlib import Path

import click
import pytest

from treesim.cli.main import main

# Ends neither by itself nor by an exception; puts down who runs it.
STUBBORN = """
import os, time
from pathlib import Path
import treesim

@treesim.register_sampler("stubborn")
class Stubborn:
    def simulate(self, oracle, rng):
        Path(f"{os.getpid()}.pid").touch()
        while True:
            try:
                time.sleep(1)
            except BaseException:
                pass
"""

GRID = """
[[grid]]
family = "product"
samplers = ["base", "stubborn"]
[grid.parameters]
horizon = [2]
"""


@pytest.fixture
def stubborn(run):
    Path("stubborn.py").write_text(STUBBORN)
    Path("grid.toml").write_text(GRID)


def wait_until(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it never came true")


def runs(process_id):
    try:
        return "State:\tZ" not in Path(f"/proc/{process_id}/status").read_text()
    except FileNotFoundError:
        return False


def at_work():
    return [int(path.stem) for path in Path().glob("*.pid")]


def interrupted(process):
    """What a program says when Ctrl-C is pressed."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    return err


def test_ctrl_c_ends_a_command_whatever_it_does(program, stubborn, instance):
    process = program.start("--import", "stubborn.py", "sample", instance, "stubborn")
    wait_until(at_work)
    assert interrupted(process) == "interrupted\n"


KERNEL = """
from pathlib import Path
from treesim import family, sampler
instance = family("uniform", horizon=16)
sampler("best-of-n:n=100").simulate(instance, 10, seed=0)
Path("0.pid").touch()
sampler("best-of-n:n=1000000").simulate(instance, 100_000_000, seed=0)
"""


def test_ctrl_c_ends_a_kernel(program, instance):
    Path("kernel.py").write_text(KERNEL)
    process = program.start("--import", "kernel.py", "inspect", instance)
    wait_until(at_work)
    assert interrupted(process) == "interrupted\n"


WRITING = """
import time
from pathlib import Path
from treesim.runtime.files import write_whole

def write(path):
    path.write_text("half")
    Path("0.pid").touch()
    time.sleep(1000)

write_whole(Path("whole.txt"), write)
"""


def test_ctrl_c_leaves_nothing_half_written(program, instance):
    Path("writing.py").write_text(WRITING)
    process = program.start("--import", "writing.py", "inspect", instance)
    wait_until(at_work)
    assert interrupted(process) == "interrupted\n"
    assert sorted(path.name for path in Path().iterdir()) == ["0.pid", "a.st", "writing.py"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_in_a_sweep_says_how_to_go_on(program, run, stubborn, jobs):
    process = program.start("--import", "stubborn.py", "sweep", "grid.toml", "-o", "s.sqlite", "--jobs", jobs)
    wait_until(lambda: at_work() and is_stored("s.sqlite", 1))
    workers = at_work()
    assert interrupted(process) == ("interrupted: 1 of 2 cells are in s.sqlite; the same command goes on from there\n")
    wait_until(lambda: not any(map(runs, workers)))
    assert "base" in run("results", "s.sqlite").stdout
    assert not Path("s.sqlite-wal").exists() or Path("s.sqlite-wal").stat().st_size == 0


def is_stored(path, count):
    from treesim.studies.grid import SweepError
    from treesim.studies.store import open_store, rows

    try:
        with open_store(Path(path)) as store:
            return len(rows(store)) >= count
    except SweepError:
        return False


def test_a_sweep_that_is_killed_takes_its_workers_along(program, stubborn):
    Path("grid.toml").write_text(GRID.replace("[2]", "[2, 3, 4]").replace('"base", ', ""))
    process = program.start("--import", "stubborn.py", "sweep", "grid.toml", "-o", "s.sqlite", "--jobs", 2)
    wait_until(lambda: len(at_work()) == 2)
    assert process.pid not in at_work()
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(runs, at_work())))


def test_an_interrupt_of_another_kind_ends_alike(run, instance, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("treesim.instances.inspection.describe_instance", interrupt)
    result = run("inspect", instance, code=130)
    assert (result.stdout, result.stderr) == ("", "interrupted\n")


# What comes after a user's __init__.
REST = "\n    def simulate(self, oracle, rng): pass"

USERS = {
    "when imported": ("import sys; sys.exit(0)", r"mine.py cannot be imported: it ends the program by sys.exit(0)"),
    "when made": ("class Mine:\n    def __init__(self): raise SystemExit(0)" + REST,
                  "sampler 'mine' cannot be made: SystemExit: 0"),
    "when it fails to be made": ("class Mine:\n    def __init__(self): 1 / 0" + REST,
                                 "sampler 'mine' cannot be made: ZeroDivisionError: division by zero"),
    "when it runs": ("class Mine:\n    def simulate(self, oracle, rng): raise SystemExit(0)",
                     "sampler 'mine' failed: SystemExit: 0"),
    "with a type that is none": ("from dataclasses import dataclass\n@dataclass\nclass Mine:\n    n: 'Nothing' = 1\n"
                                 "    def simulate(self, oracle, rng): pass", "types that cannot be read"),
    "with the name of a method": ("from dataclasses import dataclass\n@dataclass\nclass Mine:\n    cost: int = 1\n"
                                  "    def simulate(self, oracle, rng): pass", "a name that every sampler uses"),
}  # fmt: skip


@pytest.mark.parametrize("case", USERS)
def test_users_code_that_ends_or_raises_is_one_line(run, instance, case):
    source, message = USERS[case]
    register = "import treesim\ntreesim.register_sampler('mine')(Mine)" if "class" in source else ""
    Path("mine.py").write_text(f"{source}\n{register}\n")
    assert message in run.error("--import", "mine.py", "tv", instance, "mine")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SystemExit(0), r"code that is not treesim's ended the program by sys.exit(0)"),
        (RecursionError("too deep\nfor us"), r"RecursionError: too deep\nfor us"),
        (OverflowError("int too large"), r"OverflowError: int too large (test_ending.py, line "),
        (OSError(28, "No space left on device", "a.txt"), "Error: a.txt: No space left on device"),
        (MemoryError(), "out of memory"),
    ],
)
def test_whatever_is_raised_is_one_line(run, instance, monkeypatch, error, message):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("treesim.instances.inspection.describe_instance", fail)
    monkeypatch.delenv("TREESIM_TRACEBACK", raising=False)
    assert message in run.error("inspect", instance)


FAILING = """import treesim
from treesim import Prefix


def deep(x):
    return 1 / x


@treesim.register_sampler("mine")
class Mine:
    def simulate(self, oracle, rng):
        return deep(0)


@treesim.register_sampler("guess")
class Guess:
    def simulate(self, oracle, rng):
        return oracle.draw(Prefix((0, 0), 0, (0, 0)))
"""


@pytest.mark.parametrize("way", ["before", "behind", "environment"])
@pytest.mark.parametrize("command", [("sample", "mine"), ("tv", "mine"), ("sample", "mine", "--diagnose")])
def test_a_traceback_can_be_had(run, instance, monkeypatch, way, command):
    Path("mine.py").write_text(FAILING)
    name, *rest = command
    if "--diagnose" in rest:
        monkeypatch.setattr("treesim.empirical.diagnosis.diagnose", lambda *_, **__: deep_fail())
    if way == "environment":
        monkeypatch.setenv("TREESIM_TRACEBACK", "1")
    before, behind = (["--traceback"] if way == place else [] for place in ("before", "behind"))
    result = run(*before, "--import", "mine.py", name, instance, *rest, *behind, code=2)
    assert result.stdout == ""
    assert result.stderr.startswith("Traceback (most recent call last):\n")
    assert "deep" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    # It is of this call alone.
    monkeypatch.delenv("TREESIM_TRACEBACK", raising=False)
    run.error("--import", "mine.py", name, instance, *rest)


def deep_fail():
    raise ZeroDivisionError


def test_the_line_of_an_error_names_file_and_line_of_the_users_code(run, instance):
    Path("mine.py").write_text(FAILING)
    for command in ("tv", "sample"):
        assert run.error("--import", "mine.py", command, instance, "mine").endswith(
            "sampler 'mine' failed: ZeroDivisionError: division by zero (mine.py, line 6)"
        )
        assert run.error("--import", "mine.py", command, instance, "guess").endswith("from it (mine.py, line 18)")
    Path("broken.py").write_text("import json\n\njson.loads('x')\n")
    assert "(broken.py, line 3)" in run.error("--import", "broken.py", "inspect", instance)


def test_a_family_of_a_users_that_fails_is_told_with_its_place(run):
    Path("mine.py").write_text(
        "from treesim.instances.families import register\n\n@register('mine')\ndef mine(seed=0):\n    return 1 / 0\n"
    )
    assert run.error("--import", "mine.py", "generate", "mine", "-o", "a.st").endswith(
        "ZeroDivisionError: division by zero (mine.py, line 5)"
    )


@pytest.mark.parametrize("command", [("demo", "blowup"), ("results",), ("experiment",), ("verify",), ("audit",)])
def test_every_command_takes_the_option(run, command):
    assert "Usage" in run(*command, "--traceback", "--help").stdout


def test_what_nobody_expected_says_how_to_see_where(run, instance, monkeypatch):
    monkeypatch.setattr("treesim.instances.inspection.describe_instance", math.sqrt)  # which wants a number
    monkeypatch.delenv("TREESIM_TRACEBACK", raising=False)
    assert "treesim did not expect this, --traceback shows where" in run.error("inspect", instance)


@pytest.mark.parametrize("arguments", [("--luck",), ("inspect", "x" * 300), ("inspect", "a\nError: b"), ("x\x1b[2J",)])
def test_wrong_arguments_are_one_line_without_commands_to_the_terminal(run, arguments):
    assert "\x1b" not in run.error(*arguments)


@pytest.mark.parametrize(
    ("command", "unbuffered"),
    [
        (("inspect",), ""), (("export",), ""), (("sample", "base"), ""), (("tv", "base"), ""),
        (("export",), "1"), (("tv", "base"), "1"),
    ],
)  # fmt: skip
def test_a_full_stdout_is_one_line(program, instance, command, unbuffered):
    name, *rest = command
    with open("out.txt", "w") as out:  # noqa: PTH123
        done = program(name, instance, *rest, code=2, disk=10, stdout=out, env={"PYTHONUNBUFFERED": unbuffered})
    assert done.err == "Error: cannot write to stdout: File too large\n"


@pytest.mark.parametrize("command", [("inspect",), ("export",), ("sample", "base")])
def test_a_closed_stdout_is_one_line(program, instance, command):
    name, *rest = command
    done = program(name, instance, *rest, code=2, before=lambda: os.close(1))
    assert done.err == "Error: cannot write to stdout: it is closed\n"


def test_what_is_opened_never_takes_the_place_of_a_closed_stream(program, instance):
    done = program("export", instance, "-o", "a.json", before=lambda: (os.close(0), os.close(1), os.close(2)))
    assert (done.out, done.err) == ("", "")
    assert Path("a.json").read_text().startswith("{")


def test_a_reader_that_has_read_enough_is_no_error(program, run):
    run("generate", "product", "--horizon", 12, "-o", "b.st")
    process = program.start("export", "b.st")
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_narrow_stdout_shows_what_it_lacks_escaped(program, run, encoding):
    Path("text.txt").write_text("日é日é日é" * 20)
    run("generate", "ngram", "--text", "text.txt", "--horizon", 4, "--contains", "é", "-o", "n.st")
    done = program("sample", "n.st", "base", "-n", 3, env={"PYTHONIOENCODING": encoding})
    assert r"\u65e5" in done.out
    assert done.err == ""


def on_a_terminal(program, *arguments, code=0):
    """What a terminal is sent."""
    leader, follower = os.openpty()
    process = program.start(*arguments, stdout=follower, stderr=follower)
    os.close(follower)
    sent = b""
    while True:
        select.select([leader], [], [])
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        sent += part
    os.close(leader)
    assert process.wait(timeout=60) == code
    return sent.decode().replace("\r\n", "\n")


EVIL = """
import treesim

@treesim.register_sampler("evil")
class Evil:
    def simulate(self, oracle, rng):
        raise ValueError("\\x1b[2J\\x9b31m\\u202e\\rall\\nis well")
"""


def test_a_terminal_is_never_commanded_by_what_it_shows(program, run):
    Path("evil.py").write_text(EVIL)
    Path("grid.toml").write_text(GRID.replace("stubborn", "evil"))
    run("--import", "evil.py", "sweep", "grid.toml", "-o", "e.sqlite", code=1)
    for form in ("table", "csv"):
        shown = on_a_terminal(program, "results", "e.sqlite", "--format", form)
        assert not set("\x1b\x9b\u202e\r") & set(shown)
        assert r"\x1b[2J\x9b31m\u202e\rall" in shown
    lines = on_a_terminal(program, "results", "e.sqlite").splitlines()
    assert len(lines) == 4
    assert "\x1b[2J" in run("results", "e.sqlite", "--format", "csv").stdout


def test_names_of_files_never_command_a_terminal(program, run, instance):
    Path(instance).rename("\x1b[31m\nError: b.st")
    shown = on_a_terminal(program, "inspect", "none\x1b[31m\nError: b", code=2)
    assert shown == "Error: none\\x1b[31m\\nError: b does not exist\n"
    assert "\x1b" not in on_a_terminal(program, "inspect", "\x1b[31m\nError: b.st")


def test_a_command_that_ends_well_says_so_and_is_silent(program, instance):
    assert program("inspect", instance).err == ""
    assert program("--version").out.startswith("treesim")
    assert program(code=2).err.startswith("Usage:")


def test_embedded_it_raises_what_click_raises(run):
    with pytest.raises(click.ClickException):
        main(["inspect", "none.st"], standalone_mode=False)

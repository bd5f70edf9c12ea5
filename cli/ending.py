"""How the program ends: its streams, Ctrl-C, and what is left behind."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from treesim.cli.output import Failure, note
from treesim.tables import escaped

INTERRUPTED = 130

_farewells: list[Callable[[], str]] = []


@contextmanager
def farewell(says: Callable[[], str]) -> Iterator[None]:
    """What to say if Ctrl-C ends the program meanwhile; it is asked in a thread of its own."""
    _farewells.append(says)
    try:
        yield
    finally:
        _farewells.remove(says)


class Interrupted(Failure):
    """Ctrl-C: one line, and exit code 130."""

    exit_code = INTERRUPTED
    prefix = ""

    def __init__(self) -> None:
        super().__init__(_last_words())


class Speaker(io.TextIOBase):
    """Standard output: on a terminal what would command it is shown escaped, and what cannot be written is told.

    Parameters
    ----------
    stream : text stream or None
        None if it is closed.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, stream: IO[str] | None) -> None:
        self._is_terminal = stream is not None and stream.isatty()
        self._unbuffered: io.TextIOWrapper | None = None
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
            if isinstance(stream.buffer, io.RawIOBase):
                # Python's unbuffered streams (PYTHONUNBUFFERED) forget what the system did not take at once.
                stream = self._unbuffered = io.TextIOWrapper(
                    io.BufferedWriter(stream.buffer), stream.encoding, stream.errors, line_buffering=True
                )
        self._stream = stream

    def write(self, text: str) -> int:
        with self._told():
            self._open().write(escaped(text, keep="\n\t") if self._is_terminal else text)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            with self._told():
                self._stream.flush()

    def let_go(self) -> None:
        """Leave the stream to Python as it was."""
        if self._unbuffered is not None:
            with contextlib.suppress(OSError):
                self._unbuffered.detach().detach()  # type: ignore[attr-defined]

    def isatty(self) -> bool:
        return self._is_terminal

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._open().fileno()

    @property
    def buffer(self) -> Any:
        """Where bytes go."""
        return self._open().buffer

    def _open(self) -> Any:
        if self._stream is None:
            raise Failure("cannot write to stdout: it is closed")
        return self._stream

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Failure(f"cannot write to stdout: {error.strerror}") from None


def own_process(run: Callable[[], int]) -> int:
    """Run the program, and make sure that what it said has arrived."""
    _occupy_standard_streams()
    speaker = Speaker(sys.stdout)
    with _spoken_by(speaker), _ends_on_interrupt():
        code = run()
        try:
            speaker.flush()
        except BrokenPipeError:
            code = code or 1
            _silence()
        except Failure as error:
            if code == 0:
                error.show()
                code = error.exit_code
            _silence()
    return code


@contextmanager
def _spoken_by(speaker: Speaker) -> Iterator[None]:
    stdout, show = sys.stdout, warnings.showwarning
    sys.stdout = speaker
    warnings.showwarning = lambda message, *_, **__: note(f"Warning: {message}")
    try:
        yield
    finally:
        sys.stdout, warnings.showwarning = stdout, show
        speaker.let_go()


def _occupy_standard_streams() -> None:
    """A closed one must not become the number of a file that is opened next."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


def _silence() -> None:
    """Let Python flush what is left to nowhere when it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@contextmanager
def _ends_on_interrupt() -> Iterator[None]:
    """Ctrl-C ends the program at once, whatever it computes.

    An exception in the main thread would wait for the kernel that runs there to end, and kernels do not expect one.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    threading.Thread(target=_listen, args=(ear,), daemon=True).start()
    previous = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.set_wakeup_fd(previous)
        mouth.close()


def _listen(ear: socket.socket) -> None:
    with ear:
        while signal.SIGINT not in (heard := ear.recv(64)):
            if not heard:
                return
    words = f"{_last_words()}\n"
    if "multiprocessing" in sys.modules:
        for child in sys.modules["multiprocessing"].active_children():
            child.kill()
    if "treesim.runtime.files" in sys.modules:
        sys.modules["treesim.runtime.files"].forget_temporaries()
    with contextlib.suppress(OSError):
        # Bars hide the cursor, and leave their line unfinished.
        restored = "\r\033[K\033[?25h" if os.isatty(2) else ""
        os.write(2, f"{restored}{words}".encode(errors="backslashreplace"))
    os._exit(INTERRUPTED)


def _last_words() -> str:
    words = "interrupted"
    if _farewells:
        with contextlib.suppress(Exception):
            words = _farewells[-1]()
    return escaped(words)

"""A Python program that is loaded once, and runs in a process of its own whenever it is asked for.

Started as ``python loaded_program.py SOCKET MODULE:FUNCTION MODULE...``: it loads the modules, and
for each message from the socket forks a process that calls the function as a console script does.
Nothing of the program has run by then, so each run begins as one that was started does, but for
what loading takes. It needs nothing beside it: what is loaded is the program's.
"""

from __future__ import annotations

import array
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

#: Standard input, output and error of a run, and where its exit code is written.
DESCRIPTORS = 4
MOST_BYTES = 2**17

_PR_SET_PDEATHSIG = 1


def main(number: str, entry: str, *modules: str) -> object:
    """Load the program and run it as often as it is asked for, until nobody can ask any more."""
    module, _, function = entry.partition(":")
    gc.disable()  # what is loaded stays, as where the program starts by itself
    for each in modules:
        import_module(each)
    program = getattr(import_module(module), function)
    gc.freeze()
    gc.enable()
    sys.stdout.flush()  # else each run would say again what was said meanwhile
    become = Runs(socket.socket(fileno=int(number))).serve()
    if become is None:
        return 0
    become()
    return program()


class Runs:
    """The runs that were asked for by *channel* and have not ended."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        #: By what becomes readable when one ends: its process, and where its exit code is written.
        self._running: dict[int, tuple[int, int]] = {}

    def serve(self) -> Callable[[], None] | None:
        """Fork for each message; return None at the end, and in a run what it has to do first."""
        loaded = os.getpid()
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._channel, selectors.EVENT_READ)
            while True:
                for ready, _ in waiting.select():
                    if ready.fd in self._running:
                        waiting.unregister(ready.fd)
                        self._say_code(ready.fd)
                        continue
                    message, *descriptors = self._received()
                    if not descriptors:
                        return None
                    if (pid := os.fork()) == 0:
                        return lambda: become(json.loads(message), descriptors, loaded)
                    for each in descriptors[:-1]:
                        os.close(each)
                    ending = os.pidfd_open(pid)
                    self._running[ending] = (pid, descriptors[-1])
                    waiting.register(ending, selectors.EVENT_READ)
                    self._channel.send(str(pid).encode())

    def _received(self) -> tuple[bytes, *tuple[int, ...]]:
        """Return a message and its descriptors, none where nobody can ask any more."""
        descriptors = array.array("i")
        room = socket.CMSG_SPACE(DESCRIPTORS * descriptors.itemsize)
        message, more, _, _ = self._channel.recvmsg(MOST_BYTES, room)
        for _, _, held in more:
            descriptors.frombytes(held)
        return message, *descriptors

    def _say_code(self, ending: int) -> None:
        pid, to = self._running.pop(ending)
        _, status = os.waitpid(pid, 0)
        os.close(ending)
        try:
            os.write(to, str(os.waitstatus_to_exitcode(status)).encode())
        except BrokenPipeError:
            pass  # nobody asks for it any more
        finally:
            os.close(to)


def become(asked: dict[str, Any], descriptors: list[int], loaded: int) -> None:
    """Be the run that was *asked* for; the kernel ends it when the process *loaded* ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != loaded:
        os.kill(os.getpid(), signal.SIGKILL)  # it has ended before the kernel was told
    for number, each in enumerate(descriptors[:-1]):
        os.dup2(each, number)
    os.closerange(DESCRIPTORS - 1, os.sysconf("SC_OPEN_MAX"))
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = asked["words"]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))  # type: ignore[arg-type]  # as console scripts do

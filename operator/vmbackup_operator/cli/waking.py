"""A signal is noticed even where it comes just before the main thread begins to wait.

Python runs a signal's handler in the main thread, between two of its instructions. A signal that
comes behind the last of them and before the system call that waits is noted, and nothing ends the
wait: a read from a store that hangs would go on, and the person at the keyboard believe that they
were not heard. https://docs.python.org/3/library/signal.html#execution-of-python-signal-handlers
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: Ends a wait and has no other meaning: nothing that the program does sends it.
_WAKES = signal.SIGURG
#: How long a handler has before the main thread is woken, and how often it is woken.
_AGAIN_S = 0.1
_TIMES = 10


@contextmanager
def woken_by_signals() -> Iterator[None]:
    """Wake the main thread from what it waits for, soon after any signal that has a handler.

    For the main thread alone. Its system calls go on by themselves where no handler raises.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    waking = threading.Thread(target=_wake, args=(reading, threading.get_ident()), daemon=True)
    handler = signal.signal(_WAKES, _be_woken)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    waking.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        waking.join()
        os.close(reading)
        signal.signal(_WAKES, handler)


def _wake(signals: int, sleeper: int) -> None:
    """Wake the thread *sleeper* some times behind each signal; return once the pipe is closed."""
    times = 0
    while True:
        ready, _, _ = select.select([signals], [], [], _AGAIN_S if times else None)
        if not ready:
            times -= 1
            signal.pthread_kill(sleeper, _WAKES)
            continue
        numbers = os.read(signals, 64)
        if not numbers:
            return
        if set(numbers) != {_WAKES}:
            times = _TIMES


def _be_woken(_number: int, _frame: FrameType | None) -> None:
    """Handle it: a signal without a handler ends no wait."""

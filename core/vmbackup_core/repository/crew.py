"""Work done by several threads, with few pieces waiting, and ended by the first failure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")


def work_through(pieces: Iterable[T], work: Callable[[T], None], threads: int) -> None:
    """Call *work* with each of *pieces*; raise what the first failing call raised.

    At most twice as many pieces as threads are taken ahead. With one thread everything happens in
    the caller's, in order.
    """
    if threads == 1:
        for piece in pieces:
            work(piece)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="crew") as pool:
        waiting: set[Future[None]] = set()
        try:
            for piece in pieces:
                waiting.add(pool.submit(work, piece))
                if len(waiting) >= 2 * threads:
                    waiting = _after_some(waiting)
            while waiting:
                waiting = _after_some(waiting)
        except BaseException:
            for future in waiting:
                future.cancel()
            raise


def _after_some(waiting: set[Future[None]]) -> set[Future[None]]:
    """Return what is still waiting when at least one has ended; raise what that one raised."""
    done, rest = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return rest

"""Work done by several threads, with few pieces waiting, and ended by the first failure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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


def taken_ahead(pieces: Iterable[T], threads: int) -> Iterator[T]:
    """Yield *pieces*, while the next one is taken by a thread of its own; not with one thread."""
    if threads == 1:
        yield from pieces
        return
    iterator = iter(pieces)
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        following = pool.submit(_next_of, iterator)
        while found := following.result():
            following = pool.submit(_next_of, iterator)
            yield found[0]


def _next_of(iterator: Iterator[T]) -> tuple[T] | None:
    for piece in iterator:
        return (piece,)
    return None


def _after_some(waiting: set[Future[None]]) -> set[Future[None]]:
    """Return what is still waiting when at least one has ended; raise what that one raised."""
    done, rest = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return rest

"""What requests have brought, given in parts: threads that find no request left help the others.

Else the last request would keep one thread busy while all others have ended.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final, Generic, TypeVar

from vmbackup_core.repository.crew import work_through

#: So many blocks of what a request has brought are one thread's at a time.
PART_BLOCKS: Final = 32

#: How long who would help waits for what is still being brought.
_PATIENCE_S: Final = 5.0

T = TypeVar("T")
B = TypeVar("B")

#: What a request has brought, and the marks of the records in it that are to be given.
Piece = tuple[B, Sequence[int]]


@dataclass(frozen=True, slots=True, eq=False)
class _Begun(Generic[B]):
    """A piece of which parts may be left that nobody has taken."""

    brought: B
    parts: deque[Sequence[int]]


class SharedPieces(Generic[T, B]):
    """Brings each of some requests by one thread, and has what it brought given by several."""

    def __init__(
        self, bring: Callable[[T], Piece[B]], give: Callable[[B, Sequence[int]], None]
    ) -> None:
        self._bring = bring
        self._give = give
        self._changed = threading.Condition()
        self._is_broken = False
        self._coming = 0
        self._begun: list[_Begun[B]] = []

    def work_through(self, requests: Iterable[T], threads: int) -> None:
        """Bring and give all of *requests*; raise what the first failing call raised."""
        work_through(self._requests_and_help(requests, threads), self._work, threads)

    def _requests_and_help(self, requests: Iterable[T], threads: int) -> Iterator[tuple[T] | None]:
        for each in requests:
            with self._changed:  # before anybody is told that there is no further one
                self._coming += 1
            yield (each,)
        yield from repeat(None, threads)

    def _work(self, request: tuple[T] | None) -> None:
        try:
            if request is None:
                self._help()
            else:
                self._bring_and_give(request[0])
        except BaseException:
            with self._changed:
                self._is_broken = True
                self._changed.notify_all()
            raise

    def _bring_and_give(self, request: T) -> None:
        begun = _in_parts(*self._bring(request))
        with self._changed:
            self._coming -= 1
            self._begun.append(begun)
            self._changed.notify_all()
        self._give_parts(begun)
        with self._changed:
            self._begun.remove(begun)

    def _help(self) -> None:
        while begun := self._unfinished():
            self._give_parts(begun)

    def _unfinished(self) -> _Begun[B] | None:
        """Return a piece of which something is left, after waiting for those that are coming."""
        with self._changed:
            self._changed.wait_for(self._may_go_on, _PATIENCE_S)
            left = (each for each in self._begun if each.parts)
            return None if self._is_broken else next(left, None)

    def _may_go_on(self) -> bool:
        return self._is_broken or not self._coming or any(each.parts for each in self._begun)

    def _give_parts(self, begun: _Begun[B]) -> None:
        while True:
            try:
                marks = begun.parts.popleft()
            except IndexError:
                return
            self._give(begun.brought, marks)


def _in_parts(brought: B, marks: Sequence[int]) -> _Begun[B]:
    starts = range(0, len(marks), PART_BLOCKS)
    return _Begun(brought, deque(marks[start : start + PART_BLOCKS] for start in starts))

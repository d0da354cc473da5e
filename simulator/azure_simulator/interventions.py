"""Holds and faults: requests that a test stops before or after they are applied, or has refused.

Every service's dispatcher calls `around` with what the request does; the administration interface
adds and ends holds and faults.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from aiohttp import web

from azure_simulator.journal import Service

Answer = TypeVar("Answer")


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Call:
    """What a request is matched by; *gone* tells whether whoever sent it has hung up."""

    service: Service
    method: str
    host: str
    path: str
    query: str
    gone: Callable[[], bool] = _never


class CallerGone(Exception):
    """A request was held before it was applied and its sender hung up: it never reached Azure."""


@dataclass(frozen=True, slots=True)
class Match:
    """Which calls are meant; what is None matches everything."""

    service: str | None = None
    method: str | None = None
    host: re.Pattern[str] | None = None
    path: re.Pattern[str] | None = None
    query: re.Pattern[str] | None = None

    @classmethod
    def parse(cls, match: Mapping[str, str]) -> Match:
        """Read the administration interface's JSON; an unknown name or bad expression raises."""
        unknown = set(match) - {"service", "method", "host", "path", "query"}
        if unknown:
            raise ValueError(f"a match has no {', '.join(sorted(unknown))}")
        patterns = {
            name: re.compile(match[name], re.IGNORECASE)
            for name in ("host", "path", "query")
            if name in match
        }
        return cls(match.get("service"), match.get("method"), **patterns)

    def covers(self, call: Call) -> bool:
        """Tell whether *call* is meant."""
        if self.service not in (None, call.service) or self.method not in (None, call.method):
            return False
        searched = ((self.host, call.host), (self.path, call.path), (self.query, call.query))
        return all(pattern is None or pattern.search(text) for pattern, text in searched)


@dataclass(slots=True)
class Hold:
    """Catches up to *times* calls until it is let go."""

    match: Match
    when: Literal["before", "after"]
    times: int
    calls: list[Call] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def catches(self, call: Call, when: Literal["before", "after"]) -> bool:
        """Tell whether *call* is to be held now, and count it."""
        if self.when != when or len(self.calls) >= self.times or not self.match.covers(call):
            return False
        self.calls.append(call)
        return True


@dataclass(slots=True)
class Fault:
    """Answers up to *times* calls in the service's place."""

    match: Match
    status: int
    headers: Mapping[str, str]
    body: Any
    times: int

    def response(self) -> web.Response:
        """Return the answer; a string goes out as it is, anything else as JSON, None as no body."""
        if self.body is None:
            return web.Response(status=self.status, headers=self.headers)
        if isinstance(self.body, str):
            return web.Response(status=self.status, headers=self.headers, text=self.body)
        return web.Response(
            status=self.status,
            headers=self.headers,
            text=json.dumps(self.body),
            content_type="application/json",
        )


class Interventions:
    """The holds and faults that are set."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._holds: dict[str, Hold] = {}
        self._faults: dict[str, Fault] = {}

    def hold(self, match: Match, when: Literal["before", "after"], times: int = 1) -> str:
        """Set a hold and return its id."""
        hold_id = f"hold-{next(self._ids)}"
        self._holds[hold_id] = Hold(match, when, times)
        return hold_id

    def caught(self, hold_id: str) -> int:
        """Return how many calls the hold has caught; KeyError for an unknown one."""
        return len(self._holds[hold_id].calls)

    def held(self) -> dict[str, dict[str, int]]:
        """Return how many calls each hold has caught, and of how many the sender has hung up."""
        return {
            hold_id: {"caught": self.caught(hold_id), "gone": self.gone(hold_id)}
            for hold_id in self._holds
        }

    def gone(self, hold_id: str) -> int:
        """Return of how many calls that the hold has caught the sender has hung up."""
        return sum(call.gone() for call in self._holds[hold_id].calls)

    def release(self, hold_id: str) -> None:
        """Let what is held go on and forget the hold; KeyError for an unknown one."""
        self._holds.pop(hold_id).let_go.set()

    def fail(self, fault: Fault) -> str:
        """Set a fault and return its id."""
        fault_id = f"fault-{next(self._ids)}"
        self._faults[fault_id] = fault
        return fault_id

    def forget(self, fault_id: str) -> None:
        """Forget a fault; KeyError for an unknown one."""
        del self._faults[fault_id]

    async def around(
        self,
        call: Call,
        apply: Callable[[], Awaitable[Answer]],
        refuse: Callable[[Fault], Answer],
    ) -> Answer:
        """Return what *apply* returns, held where a hold says so, or *refuse* of a fault.

        Services that answer HTTP pass ``Fault.response`` as *refuse*. Raises `CallerGone` where a
        call held before it was applied is let go after its sender hung up.
        """
        await self._wait(call, "before")
        fault = self._fault_for(call)
        if fault is not None:
            return refuse(fault)
        answer = await apply()
        await self._wait(call, "after")
        return answer

    async def _wait(self, call: Call, when: Literal["before", "after"]) -> None:
        held = [hold for hold in self._holds.values() if hold.catches(call, when)]
        for hold in held:
            await hold.let_go.wait()
        if held and when == "before" and call.gone():
            raise CallerGone(f"{call.method} {call.path}")

    def _fault_for(self, call: Call) -> Fault | None:
        for fault in self._faults.values():
            if fault.times > 0 and fault.match.covers(call):
                fault.times -= 1
                return fault
        return None

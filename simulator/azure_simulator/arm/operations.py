"""Long-running operations: their URLs, signed and long as Azure's, their polls and their ends.

An operation's first poll always says that it is under way, however fast it was: a client that
takes the first answer for the last one must fail here too.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.errors import ArmError
from azure_simulator.arm.paths import Target
from azure_simulator.pace import Pace
from azure_simulator.resources import Body

#: What an operation does when its time has passed; it returns the resource for `properties.output`.
Work = Callable[[], Awaitable[Body | None]]

_LOG = logging.getLogger(__name__)

HOST = "https://management.azure.com"


@dataclass(frozen=True, slots=True)
class Style:
    """How a resource provider words its operations.

    *path* has ``{s}``, ``{g}``, ``{l}`` and ``{id}``; *result_path* where the `Location` differs.
    *first* and *later* are `Retry-After` of the first answer and of the polls, None where Azure
    sends none. *shows* is the poll's body: times and output, times only, or the bare status.
    """

    path: str
    shows: str
    asynchronous: bool = True
    location: bool = True
    first: float | None = None
    later: float | None = None
    result_path: str = ""
    notification: bool = False
    running_status: int = 200


_COMPUTE = "/subscriptions/{s}/providers/Microsoft.Compute/locations/{l}"
_NETWORK = "/subscriptions/{s}/providers/Microsoft.Network/locations/{l}"
_DNS = "/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.Network/privateDns"

DISK = Style(f"{_COMPUTE}/DiskOperations/{{id}}", "output")
MACHINE = Style(
    f"{_COMPUTE}/operations/{{id}}", "times", location=False, first=10, later=10, notification=True
)
MACHINE_ACTION = Style(
    f"{_COMPUTE}/operations/{{id}}", "times", first=10, later=10, notification=True
)
MACHINE_OUTPUT = Style(f"{_COMPUTE}/operations/{{id}}", "output", later=10, notification=True)
NETWORK = Style(
    f"{_NETWORK}/operations/{{id}}", "status", location=False, later=10, notification=True
)
NETWORK_DELETE = Style(
    f"{_NETWORK}/operations/{{id}}",
    "status",
    first=10,
    later=10,
    result_path=f"{_NETWORK}/operationResults/{{id}}",
    notification=True,
)
PRIVATE_DNS = Style(
    f"{_DNS}OperationStatuses/{{id}}",
    "status",
    first=30,
    later=30,
    result_path=f"{_DNS}OperationResults/{{id}}",
    running_status=202,
)
STORAGE = Style(
    "/subscriptions/{s}/providers/Microsoft.Storage/locations/{l}/asyncoperations/{id}",
    "output",
    asynchronous=False,
    first=17,
    later=17,
)
GROUP = Style(
    "/subscriptions/{s}/operationresults/{id}", "status", asynchronous=False, first=15, later=15
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that began an operation, as far as its URLs depend on it."""

    target: Target
    api_version: str


def stamp(moment: float) -> str:
    """Return *moment* (seconds since 1970) as Azure's JSON has it."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")


@dataclass(slots=True)
class Operation:
    """One operation under way or ended."""

    id: str
    style: Style
    started: str
    ended: str = ""
    output: Body | None = None
    error: ArmError | None = None
    done: bool = False
    polls: int = 0
    urls: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """What a poll says."""
        if not self.done or self.polls <= 1:
            return "InProgress"
        return "Failed" if self.error else "Succeeded"

    def body(self) -> dict[str, Any]:
        """Return the status document."""
        body: dict[str, Any] = {}
        ended = self.status != "InProgress"
        if self.style.shows != "status":
            body["startTime"] = self.started
            if ended:
                body["endTime"] = self.ended
        body["status"] = self.status
        if ended and self.error:
            body["error"] = self.error.inner()
        if ended and self.output is not None and self.style.shows == "output":
            body["properties"] = {"output": self.output}
        if self.style.shows != "status":
            body["name"] = self.id
        return body


class Operations:
    """All operations; `start` begins one, `poll` answers for its URLs."""

    def __init__(self, pace: Pace, clock: Callable[[], float] = time.time) -> None:
        self._pace = pace
        self._clock = clock
        self._by_id: dict[str, Operation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._secret = secrets.token_bytes(32)
        # As long as the certificate chain that Azure puts there: clients must take such headers.
        self._certificate = base64.urlsafe_b64encode(secrets.token_bytes(2100)).decode()
        self._signature = base64.urlsafe_b64encode(secrets.token_bytes(256)).decode().rstrip("=")

    def start(
        self, asked: Asked, style: Style, work: Work, *, region: str, seconds: float
    ) -> dict[str, str]:
        """Begin an operation that takes *seconds* of Azure's time; return the answer's headers."""
        operation_id = str(uuid.uuid4())
        if style in (PRIVATE_DNS, GROUP):
            operation_id = (
                base64.urlsafe_b64encode(f"job;{operation_id}".encode()).decode().rstrip("=")
            )
        operation = Operation(operation_id, style, stamp(self._clock()))
        self._by_id[operation_id] = operation
        headers = self._headers(asked, operation, region.replace(" ", "").lower())
        task = asyncio.create_task(self._run(operation, work, seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return headers

    def _headers(self, asked: Asked, operation: Operation, region: str) -> dict[str, str]:
        style, target = operation.style, asked.target
        names = {"s": target.subscription, "g": target.group, "l": region, "id": operation.id}
        if style.asynchronous:
            path = style.path.format(**names)
            operation.urls["Azure-AsyncOperation"] = self._url(path, asked, monitor=False)
        if style.location:
            path = (style.result_path or style.path).format(**names)
            monitor = not style.result_path and style is not GROUP
            operation.urls["Location"] = self._url(path, asked, monitor=monitor)
        headers = dict(operation.urls)
        if style.notification:
            headers["azure-asyncnotification"] = "Enabled"
        if style.first is not None:
            headers["Retry-After"] = str(self._pace.retry_after(style.first))
        return headers

    def _url(self, path: str, asked: Asked, *, monitor: bool) -> str:
        query = {"p": str(uuid.uuid5(uuid.NAMESPACE_OID, path))}
        if monitor:
            query["monitor"] = "true"
        query |= {
            "api-version": asked.api_version,
            "t": str(int(self._clock() * 10_000_000) + 621_355_968_000_000_000),
            "c": self._certificate,
            "s": self._signature,
        }
        signed = f"{path}?{urlencode(query)}"
        digest = hmac.new(self._secret, signed.encode(), hashlib.sha256).digest()
        seal = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return f"{HOST}{signed}&h={seal}"

    async def _run(self, operation: Operation, work: Work, seconds: float) -> None:
        try:
            await self._pace.sleep(seconds)
            operation.output = await work()
        except ArmError as error:
            operation.error = error
        except Exception as error:  # noqa: BLE001 - as Azure: whatever breaks ends in a failed operation
            operation.error = ArmError(
                500, "InternalServerError", f"{type(error).__name__}: {error}"
            )
        operation.ended = stamp(self._clock())
        operation.done = True

    def poll(self, operation_id: str, url: str) -> Answer:
        """Answer a poll; a URL that was altered, in path or query, is refused."""
        operation = self._by_id.get(operation_id)
        if operation is None or url not in operation.urls.values():
            message = "The operation URL is not one that was given out, or was altered."
            raise ArmError(403, "InvalidOperationUrl", message, gateway=True)
        operation.polls += 1
        if url == operation.urls.get("Azure-AsyncOperation"):
            return self._status(operation)
        return self._result(operation)

    def _status(self, operation: Operation) -> Answer:
        if operation.status != "InProgress":
            return Answer(200, operation.body())
        return Answer(operation.style.running_status, operation.body(), self._later(operation))

    def _result(self, operation: Operation) -> Answer:
        if operation.status == "InProgress":
            return Answer(
                202, None, {"Location": operation.urls["Location"]} | self._later(operation)
            )
        if operation.error is not None:
            raise operation.error
        return Answer(200, operation.output)

    def _later(self, operation: Operation) -> dict[str, str]:
        # Private DNS, alone, answers a poll by 202 and repeats its URLs.
        headers = dict(operation.urls) if operation.style is PRIVATE_DNS else {}
        if operation.style.later is not None:
            headers["Retry-After"] = str(self._pace.retry_after(operation.style.later))
        return headers

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

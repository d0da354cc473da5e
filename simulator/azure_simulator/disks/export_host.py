"""The `md-*` hosts: what a SAS of a disk or snapshot lets do, as Azure's restricted page blobs.

GET with a range, HEAD, page ranges with paging and differences, and of a disk made for upload the
putting of pages; everything else is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from aiohttp import web

from azure_simulator.disks.answers import Answer, Answers, Asked
from azure_simulator.interventions import Call, CallerGone, Fault, Interventions
from azure_simulator.journal import Journal
from azure_simulator.storage.wire import (
    StorageError,
    common_headers,
    error_response,
    hung_up,
    query_pairs,
    raw_path,
    raw_query,
    without_signature,
)

_SERVER = "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0"


@dataclass(slots=True)
class Outcome:
    """What a request comes to: an *answer*, or a *refusal*; *sent* counts the body's bytes."""

    answer: Answer | None = None
    refusal: web.Response = field(default_factory=lambda: web.Response(status=499))
    error: str = ""
    sent: int = 0

    @property
    def status(self) -> int:
        """The answer's status."""
        return self.refusal.status if self.answer is None else self.answer.status


class ExportHost:
    """Answers for every export host."""

    def __init__(self, answers: Answers, interventions: Interventions, journal: Journal) -> None:
        self._answers = answers
        self._interventions = interventions
        self._journal = journal

    async def answer(self, request: web.BaseRequest, caller: str, host: str) -> web.StreamResponse:
        """Answer *request* and record how much of which disk it was given."""
        query, path = without_signature(request), raw_path(request)
        call = Call("export", request.method, host, path, query, lambda: hung_up(request))
        outcome = Outcome(error="CallerGone")
        try:
            outcome = await self._interventions.around(
                call, lambda: self._outcome(request, host), _faulty
            )
            return await _send(request, outcome)
        except (CallerGone, ConnectionError):
            return outcome.refusal
        finally:
            detail = dict(outcome.answer.detail) if outcome.answer else {"error": outcome.error}
            self._journal.record(
                service="export",
                caller=caller,
                method=request.method,
                host=host,
                path=path,
                query=query,
                status=outcome.status,
                sent_bytes=outcome.sent,
                **detail,
            )

    async def _outcome(self, request: web.BaseRequest, host: str) -> Outcome:
        headers = common_headers(request, _SERVER)
        asked = Asked(
            method=request.method,
            host=host,
            path=raw_path(request),
            query={name.lower(): value for name, value in query_pairs(raw_query(request))},
            headers=request.headers,
            read=request.content.read,  # without the limit of `request.read`
        )
        try:
            answer = await self._answers.answer(asked)
        except StorageError as error:
            refusal = error_response(error, headers, head=request.method == "HEAD")
            return Outcome(refusal=refusal, error=error.code)
        return Outcome(replace(answer, headers={**headers, **answer.headers}))


def _faulty(fault: Fault) -> Outcome:
    return Outcome(refusal=fault.response(), error="Fault")


async def _send(request: web.BaseRequest, outcome: Outcome) -> web.StreamResponse:
    answer = outcome.answer
    if answer is None:
        return outcome.refusal
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    await response.prepare(request)
    if request.method != "HEAD":
        async for piece in answer.pieces():
            await response.write(piece)
            outcome.sent += len(piece)
    await response.write_eof()
    return response

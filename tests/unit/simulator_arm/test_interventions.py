"""Holds and faults: what they catch and what goes on afterwards."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from azure_simulator.interventions import Call, CallerGone, Fault, Interventions, Match

PUT = Call("blob", "PUT", "acct.blob.core.windows.net", "/c/pack", "")


async def applied_by(interventions: Interventions, call: Call, log: list[str]) -> web.Response:
    async def apply() -> web.Response:
        log.append("applied")
        return web.Response(status=201)

    return await interventions.around(call, apply, Fault.response)


async def caught(interventions: Interventions, hold: str) -> None:
    for _ in range(5):  # a task that was just made needs a turn or two of the loop
        await asyncio.sleep(0)
    assert interventions.caught(hold) == 1


@pytest.mark.parametrize(("when", "log_while_held"), [("before", []), ("after", ["applied"])])
async def test_a_hold_stops_a_call_where_it_says(when: str, log_while_held: list[str]) -> None:
    interventions, log = Interventions(), list[str]()
    hold = interventions.hold(
        Match.parse({"path": "/pack"}), "before" if when == "before" else "after"
    )
    task = asyncio.create_task(applied_by(interventions, PUT, log))
    await caught(interventions, hold)

    assert log == log_while_held
    assert not task.done()
    interventions.release(hold)
    assert (await task).status == 201
    assert log == ["applied"]


async def test_a_hold_catches_as_many_calls_as_it_says() -> None:
    interventions, log = Interventions(), list[str]()
    hold = interventions.hold(Match.parse({"service": "blob"}), "before")
    first = asyncio.create_task(applied_by(interventions, PUT, log))
    await caught(interventions, hold)

    assert (await applied_by(interventions, PUT, log)).status == 201
    interventions.release(hold)
    await first


async def test_a_call_whose_sender_hung_up_while_held_is_never_applied() -> None:
    interventions, log = Interventions(), list[str]()
    gone = Call("blob", "PUT", "h", "/c/pack", "", gone=lambda: True)
    hold = interventions.hold(Match.parse({}), "before")
    task = asyncio.create_task(applied_by(interventions, gone, log))
    await caught(interventions, hold)
    interventions.release(hold)

    with pytest.raises(CallerGone):
        await task
    assert log == []


async def test_a_fault_answers_in_the_services_place_and_is_used_up() -> None:
    interventions, log = Interventions(), list[str]()
    body = {"error": {"code": "ServerBusy"}}
    match = Match.parse({"method": "PUT", "host": r"blob\.core"})
    interventions.fail(Fault(match, 503, {"Retry-After": "1"}, body, times=1))

    refused = await applied_by(interventions, PUT, log)

    assert (refused.status, refused.headers["Retry-After"], log) == (503, "1", [])
    assert (await applied_by(interventions, PUT, log)).status == 201


def test_a_match_with_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="pfad"):
        Match.parse({"pfad": "/x"})

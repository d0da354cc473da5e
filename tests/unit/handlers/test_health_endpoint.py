"""The health endpoint over real HTTP on loopback."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from tests.unit.metrics.told import OPENMETRICS, parsed
from vmbackup_core.clock import SystemClock
from vmbackup_operator.handlers.health import STUCK_S, served
from vmbackup_operator.metrics.arm_counts import ArmCounts
from vmbackup_operator.metrics.exposition import Exposition
from vmbackup_operator.metrics.picture import LastSeen, Picture
from vmbackup_operator.sessions.book import SessionBook


async def get(port: int, path: str, **headers: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/{path}", headers=headers) as answer,
    ):
        return answer.status, await answer.text()


async def test_it_is_ready_when_told_so_and_alive_before(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    async with served("127.0.0.1", 0, Exposition(ArmCounts()), port_file) as health:
        port = int(port_file.read_text())

        assert (await get(port, "livez"))[0] == 200
        assert await get(port, "readyz") == (503, "not watching yet\n")
        health.ready.set()
        assert await get(port, "readyz") == (200, "ready\n")


async def test_a_loop_that_is_stuck_is_not_alive(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    async with served("127.0.0.1", 0, Exposition(ArmCounts()), port_file) as health:
        health.lag_s = STUCK_S

        status, text = await get(int(port_file.read_text()), "livez")

    assert (status, text) == (503, "loop lag 30.000 s\n")


def leads(text: str) -> list[float]:
    return [sample.value for sample in parsed(text.encode())["vmbackup_leader"].samples]


async def test_a_replica_that_stands_by_tells_metrics_too_and_that_it_does_not_lead(
    tmp_path: Path,
) -> None:
    port_file, exposition = tmp_path / "port", Exposition(ArmCounts())
    book = SessionBook()
    seen = LastSeen(lambda: None, lambda: None, dict)
    async with served("127.0.0.1", 0, exposition, port_file):
        port = int(port_file.read_text())
        standing_by = await get(port, "metrics", Accept=OPENMETRICS)
        exposition.lead(Picture("contoso", SystemClock(), book, seen))
        leading = await get(port, "metrics", Accept=OPENMETRICS)

    assert (standing_by[0], leading[0]) == (200, 200)
    assert leads(standing_by[1]) == [0]
    assert leads(leading[1]) == [1]
    assert "vmbackup_serving_workers" not in standing_by[1]
    assert "vmbackup_serving_workers" in leading[1]


async def test_the_text_is_of_the_form_that_was_asked_for(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    async with (
        served("127.0.0.1", 0, Exposition(ArmCounts()), port_file),
        aiohttp.ClientSession() as session,
    ):
        url = f"http://127.0.0.1:{port_file.read_text()}/metrics"
        types = []
        for accept in (OPENMETRICS, "text/plain"):
            async with session.get(url, headers={"Accept": accept}) as answer:
                types.append(answer.headers["Content-Type"].partition(";")[0])

    assert types == ["application/openmetrics-text", "text/plain"]

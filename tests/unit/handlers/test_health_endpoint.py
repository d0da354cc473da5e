"""The health endpoint over real HTTP on loopback."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from vmbackup_operator.handlers.health import STUCK_S, served


async def get(port: int, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/{path}") as answer,
    ):
        return answer.status, await answer.text()


async def test_it_is_ready_when_told_so_and_alive_before(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    async with served("127.0.0.1", 0, port_file) as health:
        port = int(port_file.read_text())

        assert (await get(port, "livez"))[0] == 200
        assert await get(port, "readyz") == (503, "not watching yet\n")
        health.ready.set()
        assert await get(port, "readyz") == (200, "ready\n")


async def test_a_loop_that_is_stuck_is_not_alive(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    async with served("127.0.0.1", 0, port_file) as health:
        health.lag_s = STUCK_S

        status, text = await get(int(port_file.read_text()), "livez")

    assert (status, text) == (503, "loop lag 30.000 s\n")

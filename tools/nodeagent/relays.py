"""Connections out of pods' networks, carried to where they are meant to go."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TypeAlias

#: Returns a connection to where one is meant to go; raises OSError where that cannot be reached.
Dial: TypeAlias = Callable[[], socket.socket]

_READ_BYTES = 256 * 1024


class Relays:
    """All relays of an agent, in one thread; whoever listens is handed over with `serve`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relays")
        self._thread.start()

    def serve(self, listener: socket.socket, dial: Dial) -> Callable[[], None]:
        """Carry each connection to *listener* to what *dial* returns; return what ends that."""
        listener.setblocking(False)  # noqa: FBT003 - its only form
        serving = asyncio.run_coroutine_threadsafe(_serve(listener, dial), self._loop)

        def end() -> None:
            serving.cancel()

        return end

    def close(self) -> None:
        """End all of them, with what they carry."""
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _serve(listener: socket.socket, dial: Dial) -> None:
    loop = asyncio.get_running_loop()
    carried: set[asyncio.Task[None]] = set()
    with listener:
        while True:
            accepted, _ = await loop.sock_accept(listener)
            task = asyncio.create_task(_carry(accepted, dial))
            carried.add(task)
            task.add_done_callback(carried.discard)


async def _carry(near: socket.socket, dial: Dial) -> None:
    """Carry one connection to its end, both ways; where one way breaks, so does the other."""
    with near, contextlib.suppress(OSError), await asyncio.to_thread(dial) as far:
        for each in (near, far):
            each.setblocking(False)  # noqa: FBT003 - its only form
        ways = [asyncio.create_task(_pour(near, far)), asyncio.create_task(_pour(far, near))]
        try:
            await asyncio.gather(*ways)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _pour(source: socket.socket, target: socket.socket) -> None:
    """Send on what comes until it ends, and say there that it has."""
    loop = asyncio.get_running_loop()
    while piece := await loop.sock_recv(source, _READ_BYTES):
        await loop.sock_sendall(target, piece)
    target.shutdown(socket.SHUT_WR)

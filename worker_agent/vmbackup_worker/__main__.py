"""The agent as a program: `python -m vmbackup_worker SETTINGS STATE`; the bundle starts it so."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from vmbackup_core.clock import SystemClock
from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import shown_lines
from vmbackup_worker import VERSION
from vmbackup_worker.agent import Agent
from vmbackup_worker.conversation import Inbox, Outbox
from vmbackup_worker.heart import Heart
from vmbackup_worker.jobs import Desk
from vmbackup_worker.numbers import Numbers
from vmbackup_worker.settings import Settings, read_settings

log = logging.getLogger("vmbackup_worker")

#: The settings are wrong: another start changes nothing, and the unit makes none.
BAD_SETTINGS = 2

#: A fault of ours: the unit starts the agent again.
FAULT = 1


def main(arguments: list[str]) -> int:
    """Run the agent of the settings file and state folder that *arguments* name."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("azure").setLevel(logging.WARNING)  # it logs every request's address
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    settings_path, state = (Path(argument) for argument in arguments)
    try:
        settings = read_settings(settings_path)
    except PermanentError as error:
        log.error("%s", error)  # noqa: TRY400 - the message says it all
        return BAD_SETTINGS
    ended = _run_and_tell(settings, state)
    logging.shutdown()
    # Not by returning: the interpreter would first wait for requests that a job's threads hang in.
    os._exit(ended)


def _run_and_tell(settings: Settings, state: Path) -> int:
    try:
        _run(settings, state)
    except Exception as error:  # noqa: BLE001 - told without the URLs that tracebacks may hold
        log.critical("%s", shown_lines("".join(traceback.format_exception(error))))
        return FAULT
    return 0


def _run(settings: Settings, state: Path) -> None:
    """Work until a signal or a shutdown job ends it."""
    clock = SystemClock()
    outbox = Outbox(settings, Numbers(state / "numbers", clock))
    agent = Agent(settings, Inbox(settings), outbox, Desk(settings).make)
    heart = Heart(settings, outbox, clock.now(), agent.pulse)
    log.info("agent %s of bundle %s for %s", VERSION, settings.bundle_id, settings.worker_id)
    _end_on({signal.SIGTERM, signal.SIGINT}, agent.stop)
    heart.start()
    try:
        agent.run()
    finally:
        heart.stop()


def _end_on(signals: set[signal.Signals], stop: Callable[[], None]) -> None:
    """Have a thread of its own wait for *signals*; call this before there are other threads.

    A handler would run inside whatever the main thread is at, which may hold *stop*'s locks.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)

    def wait() -> None:
        signal.sigwait(signals)
        stop()

    threading.Thread(target=wait, name="signals", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

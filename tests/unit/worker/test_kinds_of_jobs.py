"""Every kind of job that the protocol has a message for has a maker in the agent."""

from __future__ import annotations

import threading

from tests.unit.worker.sample_jobs import job, settings
from vmbackup_core.protocol import Job, kinds_of
from vmbackup_worker.jobs import MAKERS, Desk
from vmbackup_worker.jobs.backup import Backup
from vmbackup_worker.meter import Meter


def test_a_kind_has_a_maker_or_is_the_agents_own_end() -> None:
    assert set(MAKERS) == kinds_of(Job) - {"shutdown"}


def test_a_job_is_made_by_its_kinds_maker() -> None:
    made = Desk(settings()).make(job(), Meter(), threading.Event())

    assert isinstance(made, Backup)

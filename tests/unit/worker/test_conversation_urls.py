"""Ways to the queues that are none are refused, and the ones before go on being used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.worker.sample_jobs import settings
from vmbackup_core.clock import SystemClock
from vmbackup_core.errors import PermanentError
from vmbackup_worker.conversation import Inbox, Outbox
from vmbackup_worker.numbers import Numbers


@pytest.mark.parametrize(
    "url",
    [
        "nowhere?sig=secret",
        "https:///queue?sig=secret",
        "https://account?sig=secret",
        "https://account:port/queue?sig=secret",
        "https://[::1/queue?sig=secret",
        "ftp://account/queue?sig=secret",
        "https://account/queue",
        "https://acc ount/queue?sig=secret",
    ],
)
def test_what_is_no_way_to_a_queue_is_refused_without_being_shown(url: str, tmp_path: Path) -> None:
    numbers = Numbers(tmp_path / "numbers", SystemClock())
    for end in (Inbox(settings()), Outbox(settings(), numbers)):
        with pytest.raises(PermanentError) as refused:
            end.renew(url)
        assert refused.value.reason == "BadMessage"
        assert "secret" not in str(refused.value)
        end.renew(settings().jobs_url)  # the one before: nothing was changed

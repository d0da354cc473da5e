"""What the agent is told at its start: `agent.json`, written by install.sh into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec
from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import LaunchNonce, WorkerId
from vmbackup_core.protocol import LaunchKey
from vmbackup_core.protocol.bounds import LAUNCH, WORKER
from vmbackup_core.protocol.limits import (
    HEARTBEAT_S,
    LEASE_EXTENSION_S,
    LEASE_S,
    POLL_S,
    PROGRESS_S,
    RENEWAL_S,
    STOP_S,
)

Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Rhythm(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """How often the agent does what; docs/worker-protocol.md gives the numbers their reasons."""

    heartbeat_s: Seconds = HEARTBEAT_S
    progress_s: Seconds = PROGRESS_S
    poll_s: Seconds = POLL_S
    lease_s: Annotated[int, msgspec.Meta(gt=0)] = LEASE_S
    lease_extension_s: Seconds = LEASE_EXTENSION_S
    renewal_s: Seconds = RENEWAL_S
    stop_s: Seconds = STOP_S


class Settings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The content of `agent.json`."""

    worker_id: Annotated[WorkerId, WORKER]
    launch: Annotated[LaunchNonce, LAUNCH]
    launch_key: str
    jobs_url: str
    events_url: str
    bundle_id: str
    rhythm: Rhythm = msgspec.field(default_factory=Rhythm)

    @override
    def __repr__(self) -> str:
        """Leave out key and SAS."""
        return f"Settings({self.worker_id})"

    @property
    def key(self) -> LaunchKey:
        """The key of the conversation."""
        return LaunchKey.from_text(self.launch_key)


_SETTINGS: Final = msgspec.json.Decoder(Settings)


def read_settings(path: Path) -> Settings:
    """Return the settings in *path*; raise PermanentError (BadSettings), which repeats no value."""
    try:
        settings = _SETTINGS.decode(path.read_bytes())
        settings.key  # noqa: B018 - a key that is none is found here, not at the first message
    except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise PermanentError(f"{path}: {said}", reason="BadSettings") from None
    return settings

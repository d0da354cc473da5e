"""What a later version writes into the log, and a reader that passes it over (S21 removed)."""

from __future__ import annotations

from typing_extensions import override

from tests.unit.repository.control.log_bench import MOMENT
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Entry, LogObject
from vmbackup_core.repository.control.log.log_reader import LogReader
from vmbackup_core.repository.control.sealed_objects import StoredBytes
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.json_payloads import Time, encode
from vmbackup_core.repository.primitives.names import log_name


def append_newer(log: Log, entry: Entry) -> None:
    """Append *entry* as a kind that is mandatory and comes with a later version."""
    reading, kind = log.read(), entry.__struct_config__.tag
    number = reading.number + 1
    said = LogObject(number, reading.sha256, Time.of(MOMENT), "a later one", (entry,), None)
    payload = encode(said).replace(f'"{kind}"'.encode(), b'"ofALaterVersion"')
    assert log.control.put(log.control.seal_bytes("LOGO", log_name(number), payload, 1))


class _PassesOver(LogReader):
    @override
    def _opened(self, number: int, found: StoredBytes) -> LogObject:
        try:
            return super()._opened(number, found)
        except NotUnderstood as error:
            raise CorruptRepository(str(error)) from error


class PassesOverNewer(Log):
    """Takes what it does not understand for damaged, and goes on (S21 removed)."""

    @override
    def __post_init__(self) -> None:
        self.reader = _PassesOver(self.control, self.heads, self.refuse)

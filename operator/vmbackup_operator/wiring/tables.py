"""Which table of steps each type of BackupSession goes through."""

from __future__ import annotations

from collections.abc import Mapping

from vmbackup_operator.archives import table as archives
from vmbackup_operator.backups import table as backups
from vmbackup_operator.model.backup_session import SessionType
from vmbackup_operator.sessions.step import Table

TABLES: Mapping[SessionType, Table] = {"Backup": backups.STEPS, "Archive": archives.STEPS}

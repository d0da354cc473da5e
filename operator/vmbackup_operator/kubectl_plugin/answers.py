"""The tables that commands answer with, of typed objects; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from textwrap import wrap

from vmbackup_core.redaction import shown
from vmbackup_operator.kubectl_plugin.any_session import AnySession, machine_of, short_name
from vmbackup_operator.kubectl_plugin.moments import age, ago, minute, soon
from vmbackup_operator.kubectl_plugin.standing import PolicyStanding, Standing
from vmbackup_operator.kubectl_plugin.tables import Table, fits, rendered
from vmbackup_operator.kubectl_plugin.terminal import Terminal
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import amount, counted, span
from vmbackup_operator.model.recovery_point import RecoveryPoint


def policies_table(standing: Standing, now: datetime, *, everywhere: bool) -> Table:
    """Return how policies stand, one a line."""
    rows = [
        (
            *((each.namespace,) if everywhere else ()),
            each.name,
            _machines(each),
            ago(each.last_success, now),
            soon(each.next_start, now),
            "" if each.rpo_seconds is None else span(timedelta(seconds=each.rpo_seconds)),
            str(each.active),
            _state(each),
        )
        for each in standing.policies
    ]
    head = ("POLICY", "VMS", "LAST SUCCESS", "NEXT", "RPO", "ACTIVE", "STATE")
    return _table(head, rows, everywhere=everywhere, spare=("ACTIVE", "NEXT", "LAST SUCCESS"))


def _machines(stands: PolicyStanding) -> str:
    all_of_them = stands.virtual_machines + stands.unprotected
    protected = stands.virtual_machines - stands.without_recovery_point
    return f"{protected}/{all_of_them}"


def _state(stands: PolicyStanding) -> str:
    if stands.suspended:
        return "Suspended"
    if stands.late:
        return f"late: {stands.late}"
    return stands.reason


def attention_table(standing: Standing, *, everywhere: bool) -> Table:
    """Return what needs somebody's attention, one thing a line."""
    rows = [
        (
            *((each.namespace,) if everywhere else ()),
            short_name(each.kind, each.name),
            each.reason,
            each.message,
        )
        for each in standing.attention
    ]
    head = ("NEEDS ATTENTION", "REASON", "MESSAGE")
    return _table(head, rows, everywhere=everywhere, spare=())


def status_text(standing: Standing, now: datetime, terminal: Terminal, listed: str | None) -> str:
    """Return what ``status`` answers of the namespace *listed*, None for all, as people read it."""
    everywhere = listed is None
    policies = policies_table(standing, now, everywhere=everywhere)
    parts = [rendered(policies, terminal)] if policies.rows else []
    if standing.attention:
        parts.append(_attention_text(standing, terminal, everywhere=everywhere))
    if not standing.policies and not standing.left_out:
        where = "any namespace" if everywhere else f"namespace {listed}"
        parts.insert(0, f"There is no BackupPolicy in {where}.\n")
    elif not standing.attention and not standing.left_out:
        parts.append("Nothing needs attention.\n")
    if standing.under_way:
        verb = "is" if standing.under_way == 1 else "are"
        parts.append(f"{counted(standing.under_way, 'session')} {verb} under way.\n")
    return "\n".join(parts)


def _attention_text(standing: Standing, terminal: Terminal, *, everywhere: bool) -> str:
    """Return what needs attention: a table, or what one does not fit into, line by line."""
    table = attention_table(standing, everywhere=everywhere)
    if fits(table, terminal):
        return rendered(table, terminal)
    lines = ["NEEDS ATTENTION"]
    for *names, message in table.rows:
        lines.append("  ".join(map(shown, names)))
        lines += wrap(shown(message), terminal.columns or 80, initial_indent="    ",
                      subsequent_indent="    ")  # fmt: skip
    return "".join(f"{line}\n" for line in lines)


def sessions_table(sessions: Iterable[AnySession], now: datetime, *, everywhere: bool) -> Table:
    """Return sessions of both kinds, one a line, as they were given."""
    rows = []
    for each in sessions:
        display = each.status.display
        rows.append(
            (
                *((each.metadata.namespace,) if everywhere else ()),
                short_name(each.kind, each.metadata.name),
                machine_of(each),
                each.spec.type if isinstance(each, BackupSession) else each.spec.mode,
                each.status.phase or "Pending",
                "" if display is None else display.progress,
                "" if display is None else display.read,
                "" if display is None else display.stored,
                _took(each, now),
                age(each.metadata.creation_timestamp, now),
            )
        )
    head = ("SESSION", "VM", "TYPE", "PHASE", "PROGRESS", "READ", "STORED", "TOOK", "AGE")
    spare = ("TOOK", "STORED", "READ", "TYPE", "AGE", "VM")
    return _table(head, rows, everywhere=everywhere, spare=spare)


def _took(session: AnySession, now: datetime) -> str:
    began, ended = session.status.start_time, session.status.completion_time
    return "" if began is None else span((ended or now) - began)


def points_table(points: Sequence[RecoveryPoint], now: datetime, *, everywhere: bool) -> Table:
    """Return recovery points, one a line, as they were given."""
    rows = [
        (
            *((each.metadata.namespace,) if everywhere else ()),
            each.metadata.name,
            each.spec.virtual_machine_name,
            each.spec.type,
            minute(each.spec.created_at),
            age(each.spec.created_at, now),
            amount(each.spec.size_bytes),
            amount(each.spec.stored_bytes),
            each.spec.stored_in.name,
            minute(each.status.kept_until),
        )
        for each in points
    ]
    head = ("POINT", "VM", "TYPE", "CREATED", "AGE", "SIZE", "STORED", "REPOSITORY", "KEPT UNTIL")
    spare = ("STORED", "SIZE", "REPOSITORY", "TYPE", "AGE", "KEPT UNTIL", "VM")
    return _table(head, rows, everywhere=everywhere, spare=spare)


def _table(
    head: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    *,
    everywhere: bool,
    spare: tuple[str, ...],
) -> Table:
    return Table(("NAMESPACE", *head) if everywhere else head, tuple(rows), spare)

"""``vmbackup repository rebuild-control``: the control place made again from data, on a word."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.repair.rebuilding import (
    ALWAYS_LOST,
    RebuiltControl,
    points_of,
)
from vmbackup_core.repository.opened import import_printed_wrap
from vmbackup_core.repository.opened_repair import DataAlone
from vmbackup_operator.cli.commands import RebuildControl
from vmbackup_operator.cli.complaints import DAMAGE, GOOD
from vmbackup_operator.cli.manifests import lost_of, manifests_as_json, write_manifests
from vmbackup_operator.cli.opening import data_alone, put_if_absent_at
from vmbackup_operator.cli.printing import Console, number_of
from vmbackup_operator.cli.progress import ProgressLine
from vmbackup_operator.cli.secret_files import read_printed


def rebuild_control(asked: RebuildControl, console: Console) -> int:
    """Print what would come back and what is lost; with ``--accept-losses`` make it."""
    return _rebuild(asked, console) if asked.accept_losses else _tell(asked, console)


def _tell(asked: RebuildControl, console: Console) -> int:
    alone = data_alone(asked.where, asked.printed_wrap, console)
    alone.check_log_lost()
    with ProgressLine("looking", console, quiet=asked.where.quiet):
        chains = alone.taken()
    lost = lost_of(chains)
    points = sum(1 for _ in points_of(chains))
    if asked.where.output == "json":
        console.write_json(
            {
                "rebuilt": False,
                "points": points,
                "manifests": manifests_as_json(chains),
                "lost": [ALWAYS_LOST, *lost],
            }
        )
    else:
        write_manifests(chains, [ALWAYS_LOST, *lost], console)
        console.write_line(
            f"{number_of(points, 'recovery point')} of {number_of(len(chains), 'disk')} would come"
            " back; nothing was changed: --accept-losses does it"
        )
    return DAMAGE if lost else GOOD


def _rebuild(asked: RebuildControl, console: Console) -> int:
    alone = data_alone(asked.where, None, console)
    if asked.printed_wrap is not None:
        import_printed_wrap(alone.places, read_printed(asked.printed_wrap), alone.key)
    appliance = asked.appliance or _began_by(alone)
    with ProgressLine("rebuilding", console, quiet=asked.where.quiet):
        made = alone.rebuild(appliance, lambda: put_if_absent_at(asked.where))
    _write(made, appliance, asked, console)
    return DAMAGE if len(made.lost) > 1 else GOOD


def _began_by(alone: DataAlone) -> str:
    appliance = alone.began_by()
    if appliance is None:
        raise PermanentError(
            "every header is lost, and with it which appliance the repository belonged to",
            reason="OwnerUnknown",
        )
    return appliance


def _write(made: RebuiltControl, appliance: str, asked: RebuildControl, console: Console) -> None:
    if asked.where.output == "json":
        console.write_json(
            {
                "rebuilt": True,
                "appliance": appliance,
                "points": [each.run for each in made.points],
                "lost": list(made.lost),
            }
        )
        return
    for each in made.lost:
        console.write_line(f"LOST {each}")
    points = number_of(len(made.points), "recovery point")
    disks = number_of(made.chains, "disk")
    console.write_line(f"{points} of {disks} are back; {appliance} owns the repository")

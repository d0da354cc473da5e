"""What ``vmbackup repository rehydrate`` accepts."""

from __future__ import annotations

import argparse

from vmbackup_operator.cli.commands import Rehydrate, Where


def add_rehydrate(parser: argparse.ArgumentParser, point: object) -> None:
    """Add the options; *point* reads what ``--point`` names."""
    parser.add_argument(
        "--point",
        required=True,
        type=point,  # type: ignore[arg-type]  # a callable, as argparse takes it
        metavar="POINT",
        help="a run id (see list) or its first digits, latest, or a RecoveryPoint's name",
    )
    parser.add_argument("--vm", metavar="NAME|ID", help="of this VM; latest needs it among several")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--priority",
        choices=("Standard", "High"),
        default="Standard",
        help="within 15 hours, or within one, at many times the price",
    )
    which.add_argument(
        "--remove", action="store_true", help="delete the copies, also those on their way"
    )


def rehydrate_of(where: Where, found: argparse.Namespace) -> Rehydrate:
    """Return what is asked for."""
    return Rehydrate(where, found.point, found.vm, found.priority, remove=found.remove)

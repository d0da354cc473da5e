"""What the commands for life after damage accept."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from vmbackup_operator.cli import argument_values
from vmbackup_operator.cli.commands import (
    Drop,
    Dropping,
    Elsewhere,
    Expire,
    Mending,
    Prune,
    RebuildControl,
    Repair,
    Retire,
    Where,
)
from vmbackup_operator.cli.tried_retention import retention_in

VERBS = ("repair", "rebuild-control", "expire", "prune", "retire", "drop")


#: Adds a verb, by its name and what it is about, with what every one of them takes.
AddVerb = Callable[[str, str], argparse.ArgumentParser]


def add_mending(add: AddVerb) -> None:
    """Add the verbs."""
    _add_repair(add("repair", "store lost blocks again, and say what is lost for good"))
    rebuild = add("rebuild-control", "make a lost control place again from data")
    rebuild.add_argument(
        "--accept-losses",
        action="store_true",
        help="do it: without, what would come back and what is lost is printed, and no more",
    )
    rebuild.add_argument(
        "--appliance",
        type=argument_values.appliance,
        metavar="ID",
        help="who is to own it; else who began it",
    )
    add_printed(rebuild)
    _add_expire(add("expire", "print why each recovery point is kept, and which would go"))
    prune = add("prune", "delete what nothing needs any more")
    prune.add_argument("--dry-run", action="store_true", help="print it, and delete nothing")
    prune.add_argument(
        "--expect-head",
        type=argument_values.head,
        metavar="NUMBER:DIGEST",
        help="delete nothing where the log does not have this object, which was written down",
    )
    retire = add("retire", "let go of a disk that is gone and whose points have expired")
    which = retire.add_mutually_exclusive_group(required=True)
    which.add_argument("--disk", metavar="NAME|ID", help="all chains of this disk")
    which.add_argument("--chain", metavar="CHAIN", help="this chain, as check and prune name it")
    _add_drop(add("drop", "wait no longer for what is damaged, so that prune goes on"))


def add_printed(parser: argparse.ArgumentParser) -> None:
    """Add what opens a repository whose wraps are lost."""
    parser.add_argument(
        "--printed-wrap",
        type=Path,
        metavar="FILE",
        help="what key export printed, typed off the paper, where no wrap of the key is left",
    )


def mending_of(where: Where, found: argparse.Namespace) -> Mending:
    """Return which of them is asked for; raise ValueError where the options make no sense."""
    match found.command:
        case "repair":
            return Repair(
                where, found.read_data, found.dry_run, found.disk, _elsewhere(where, found)
            )
        case "rebuild-control":
            return RebuildControl(where, found.accept_losses, found.appliance, found.printed_wrap)
        case "expire":
            return Expire(where, found.vm, found.retention)
        case "prune":
            return Prune(where, found.dry_run, found.expect_head)
        case "retire":
            return Retire(where, found.chain, found.disk)
        case _:
            return _drop(where, found)


def _add_expire(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run",
        action="store_true",
        required=True,
        help="nothing is let go here: the operator does that, in the repository's upkeep",
    )
    parser.add_argument("--vm", metavar="NAME|ID", help="the points of this VM only")
    parser.add_argument(
        "--retention",
        type=retention_in,
        metavar="LINE=NUMBER,...",
        help="try this one on the points that policies made, as in last=7,daily=14",
    )


def _add_repair(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print the plan, change nothing")
    parser.add_argument(
        "--read-data", action="store_true", help="read every stored byte to find what is damaged"
    )
    parser.add_argument(
        "--disk", metavar="NAME|ID", help="this disk only; of which a given snapshot is"
    )
    snapshot = parser.add_mutually_exclusive_group()
    snapshot.add_argument(
        "--snapshot-file",
        type=Path,
        metavar="PATH",
        help="look in this raw image or device too, for blocks at their place on --disk",
    )
    snapshot.add_argument(
        "--snapshot-url-file",
        type=Path,
        metavar="FILE",
        help="look in the export whose URL, a read SAS of a snapshot, is in this file",
    )
    parser.add_argument(
        "--from-repository",
        metavar="URL|DIRECTORY",
        help="look in this repository too, whatever its key: blocks are compared by content",
    )
    parser.add_argument("--from-key-file", type=Path, metavar="FILE", help="a user key of that one")
    parser.add_argument("--from-sas-file", type=Path, metavar="FILE", help="a SAS of that one")
    parser.add_argument(
        "--from-control-sas-file", type=Path, metavar="FILE", help="a SAS of that one's control"
    )


def _elsewhere(where: Where, found: argparse.Namespace) -> Elsewhere:
    snapshot = found.snapshot_file or found.snapshot_url_file
    if snapshot is not None and found.disk is None:
        raise ValueError("a snapshot is of one disk: name it with --disk")
    other = None
    if found.from_repository is not None:
        if found.from_key_file is None:
            raise ValueError("--from-repository needs --from-key-file")
        other = Where(
            found.from_repository,
            found.from_key_file,
            found.from_sas_file,
            found.from_control_sas_file,
            quiet=where.quiet,
        )
    return Elsewhere(other, found.snapshot_file, found.snapshot_url_file)


def _add_drop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=get_args(Dropping), help="what is not waited for")
    parser.add_argument("--chain", metavar="CHAIN", help="of a commit or manifest")
    parser.add_argument(
        "--slot", type=argument_values.slot, metavar="NUMBER", help="of a commit or manifest"
    )
    parser.add_argument("--session", metavar="SESSION", help="of a healing, as repair says")
    parser.add_argument(
        "--why",
        type=argument_values.kept_text,
        default="by order of a person",
        help="kept in the log, for people",
    )


def _drop(where: Where, found: argparse.Namespace) -> Drop:
    if found.what == "healing" and found.session is None:
        raise ValueError("a healing is named by --session")
    if found.what != "healing" and (found.chain is None or found.slot is None):
        raise ValueError(f"a {found.what} is named by --chain and --slot")
    return Drop(where, found.what, found.chain, found.slot, found.session, found.why)

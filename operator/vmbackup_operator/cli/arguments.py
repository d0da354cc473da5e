"""What the command line accepts, and as which values it goes on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vmbackup_core.ids import RunId
from vmbackup_core.repository.names import checked_id

Output = Literal["table", "json"]

EXIT_CODES = """\
exit codes:
  0  done; a check found nothing
  1  it failed: the last line of standard error says what and why
  2  the command was not understood
  3  damage: a check found something, or an object is not as it was written
"""


@dataclass(frozen=True, slots=True)
class Where:
    """A repository, how it is opened, and how answers are printed."""

    repository: str
    key_file: Path
    output: Output


@dataclass(frozen=True, slots=True)
class ListPoints:
    """``vmbackup repository list``."""

    where: Where


@dataclass(frozen=True, slots=True)
class Check:
    """``vmbackup repository check``."""

    where: Where
    read_data: bool


@dataclass(frozen=True, slots=True)
class Restore:
    """``vmbackup repository restore``; *disk* is None for all of them."""

    where: Where
    point: RunId
    disk: str | None
    to: Path
    force: bool


@dataclass(frozen=True, slots=True)
class Adopt:
    """``vmbackup adopt``."""

    account: str
    config: Path


Command = ListPoints | Check | Restore | Adopt


class _Parsed(argparse.Namespace):
    """What argparse fills in."""

    command: str
    repository: str
    key_file: Path
    output: Output
    read_data: bool
    point: RunId
    disk: str | None
    to: Path
    force: bool
    account: str
    config: Path


def parse(arguments: Sequence[str] | None) -> Command:
    """Return what *arguments* ask for; end the program where they make no sense."""
    found = _parser().parse_args(arguments, namespace=_Parsed())
    if found.command == "adopt":
        return Adopt(found.account, found.config)
    where = Where(found.repository, found.key_file, found.output)
    match found.command:
        case "list":
            return ListPoints(where)
        case "check":
            return Check(where, found.read_data)
        case _:
            return Restore(where, found.point, found.disk, found.to, found.force)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vmbackup",
        description="Recovery points of Azure VMs, with no cluster and no operator; and what an"
        " administrator decides about the appliance.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subjects = parser.add_subparsers(metavar="repository|adopt", required=True)
    repository = subjects.add_parser("repository", help="read a repository, with its key alone")
    verbs = repository.add_subparsers(dest="command", required=True, metavar="list|check|restore")
    _add_common(verbs.add_parser("list", help="list the recovery points"))
    check = _add_common(verbs.add_parser("check", help="prove recovery points readable"))
    check.add_argument(
        "--read-data", action="store_true", help="read every stored byte, not the structure alone"
    )
    _add_restore(_add_common(verbs.add_parser("restore", help="write disks to files")))
    _add_adopt(subjects.add_parser("adopt", help="make a storage account a region's own"))
    return parser


def _add_adopt(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Seal the account's tag with the appliance's key ring: from then on it is its region's"
        " account, and the operator writes to it. Runs with the operator's identity and kubeconfig."
    )
    parser.set_defaults(command="adopt")
    parser.add_argument("account", metavar="ID", help="the storage account's ARM id")
    parser.add_argument(
        "--config", type=Path, required=True, help="the operator's settings, YAML or JSON"
    )


def _add_common(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.epilog = EXIT_CODES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--repository",
        required=True,
        metavar="URL|DIRECTORY",
        help="https://ACCOUNT.blob.core.windows.net/CONTAINER (with a SAS, or with the identity"
        " that the environment or az login has), or a directory",
    )
    parser.add_argument(
        "--key-file", required=True, type=Path, help="the repository key: 32 bytes, base64 or hex"
    )
    parser.add_argument("--output", choices=("table", "json"), default="table")
    return parser


def _add_restore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--point", required=True, type=_run, metavar="RUN", help="see list")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--disk", metavar="NAME", help="this disk only, into the file PATH")
    which.add_argument("--all", action="store_true", help="every disk, into PATH/NAME.img")
    parser.add_argument("--to", required=True, type=Path, metavar="PATH")
    parser.add_argument("--force", action="store_true", help="replace files that are there")


def _run(text: str) -> RunId:
    try:
        return RunId(checked_id(text, "run id"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

"""What the command line accepts, and as which values it goes on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from typing_extensions import override

from vmbackup_core.repository.control.log.heads import Head
from vmbackup_operator.cli import argument_values
from vmbackup_operator.cli.commands import (
    Adopt,
    Check,
    Claim,
    Command,
    Holds,
    KeyCommand,
    ListManifests,
    ListPoints,
    Mending,
    Output,
    Rehydrate,
    Restore,
    RestoreManifest,
    Where,
)
from vmbackup_operator.cli.key_arguments import add_keys, key_command_of
from vmbackup_operator.cli.mending_arguments import VERBS, add_mending, add_printed, mending_of
from vmbackup_operator.cli.rehydrate_arguments import add_rehydrate, rehydrate_of
from vmbackup_operator.cli.targets import Format
from vmbackup_operator.cli.wanted_points import WantedPoint, wanted_point

EXIT_CODES = """\
exit codes:
  0    done; nothing is damaged
  1    damage: a list or a check found some, a restore met some or left holes, or some stays lost
  2    not understood, or it could not be done: the last line of standard error says why
  130  interrupted
"""


class Answer(Exception):
    """The arguments ask for nothing but a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class Misunderstood(Exception):
    """The arguments make no sense."""


class _Parsed(argparse.Namespace):
    """What argparse fills in."""

    command: str
    repository: str
    key_file: Path
    sas_file: Path | None
    output: Output
    quiet: bool
    read_data: bool
    point: WantedPoint
    vm: str | None
    disk: str | None
    all: bool
    manifests: bool
    manifest: str | None
    printed_wrap: Path | None
    to: Path
    force: bool
    keep_going: bool
    image: Format
    account: str
    config: Path
    control_sas_file: Path | None
    expect_head: Head | None
    key_command: str
    new_key_file: Path
    label: str | None
    fingerprint: str
    keep: list[Path]
    end: list[int]
    epoch: int | None
    printed: Path
    remove: str | None
    appliance: str
    owner: str | None


class _Parser(argparse.ArgumentParser):
    """A parser that prints nothing and ends nothing: it raises Answer or Misunderstood."""

    @override
    def error(self, message: str) -> NoReturn:
        raise Misunderstood(message)

    @override
    def print_help(self, file: object = None) -> None:
        del file
        raise Answer(self.format_help())


class _Version(argparse.Action):
    @override
    def __call__(self, *_: object, **__: object) -> None:
        from vmbackup_operator.cli.versions import versions  # noqa: PLC0415 - nobody else needs it

        raise Answer(f"{versions()}\n")


def parse(arguments: Sequence[str] | None) -> Command:
    """Return what *arguments* ask for; raise Answer or Misunderstood."""
    found = _parser().parse_args(arguments, namespace=_Parsed())
    if found.command == "adopt":
        return Adopt(found.account, found.config)
    where = Where(
        found.repository,
        found.key_file,
        found.sas_file,
        found.control_sas_file,
        found.output,
        quiet=found.quiet,
    )
    match found.command:
        case "list":
            return _list(where, found)
        case "check":
            return Check(where, found.read_data, found.expect_head)
        case "restore":
            return _restore(where, found)
        case verb if verb in VERBS:
            return _mending(where, found)
        case _:
            return _decision(where, found)


def _list(where: Where, found: _Parsed) -> ListPoints | ListManifests:
    if not found.manifests:
        return ListPoints(where, found.point, found.vm)
    if found.point is not None or found.vm is not None:
        raise Misunderstood("--manifests lists them all: without --point and --vm")
    return ListManifests(where, found.printed_wrap)


def _restore(where: Where, found: _Parsed) -> Restore | RestoreManifest:
    if found.manifest is not None:
        if found.vm or found.disk or found.all:
            raise Misunderstood("--manifest is of one disk: without --vm, --disk and --all")
        return RestoreManifest(
            where,
            found.manifest,
            found.to,
            force=found.force,
            keep_going=found.keep_going,
            printed_wrap=found.printed_wrap,
            image=found.image,
        )
    if found.disk is None and not found.all:
        raise Misunderstood("one of the arguments --disk --all is required")
    return Restore(
        where,
        found.point,
        found.vm,
        found.disk,
        found.to,
        force=found.force,
        keep_going=found.keep_going,
        image=found.image,
    )


def _mending(where: Where, found: _Parsed) -> Mending:
    try:
        return mending_of(where, found)
    except ValueError as error:
        raise Misunderstood(str(error)) from None


def _decision(where: Where, found: _Parsed) -> KeyCommand | Holds | Claim | Rehydrate:
    match found.command:
        case "rehydrate":
            return rehydrate_of(where, found)
        case "holds":
            return Holds(where, found.remove)
        case "claim":
            return Claim(where, found.appliance, found.owner)
        case _:
            return key_command_of(where, found)


def _parser() -> _Parser:
    parser = _Parser(
        prog="vmbackup",
        description="Recovery points of Azure VMs, with no cluster and no operator; and what an"
        " administrator decides about the appliance.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version",
        action=_Version,
        nargs=0,
        help="print the versions of the product and of the repositories that it reads",
    )
    subjects = parser.add_subparsers(metavar="repository|adopt", required=True)
    repository = subjects.add_parser(
        "repository",
        help="read a repository with a key of it alone, and decide who else has one",
        allow_abbrev=False,
    )
    verbs = repository.add_subparsers(
        dest="command",
        required=True,
        metavar=f"list|check|restore|rehydrate|key|holds|claim|{'|'.join(VERBS)}",
    )
    _add_list(_add_verb(verbs, "list", "list the recovery points"))
    _add_check(_add_verb(verbs, "check", "prove recovery points readable"))
    _add_restore(_add_verb(verbs, "restore", "write disks to files or block devices"))
    rehydrate = _add_verb(verbs, "rehydrate", "bring packs back from Azure's Archive tier")
    add_rehydrate(rehydrate, _point)
    add_keys(verbs.add_parser("key", help="user keys and epochs", allow_abbrev=False), _add_verb)
    holds = _add_verb(verbs, "holds", "list who keeps what from expiring")
    holds.add_argument(
        "--remove", metavar="HOLDER", help="remove the holds of one who will not come back"
    )
    _add_claim(_add_verb(verbs, "claim", "have another appliance own the repository"))
    add_mending(lambda name, about: _add_verb(verbs, name, about))
    _add_adopt(
        subjects.add_parser(
            "adopt", help="make a storage account a region's own", allow_abbrev=False
        )
    )
    return parser


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--read-data", action="store_true", help="read every stored byte, not the structure alone"
    )
    parser.add_argument(
        "--expect-head",
        type=argument_values.head,
        metavar="NUMBER:DIGEST",
        help="find that the log does not have this object, which was written down before",
    )


def _add_claim(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--appliance",
        required=True,
        type=argument_values.appliance,
        metavar="ID",
        help="who is to own it",
    )
    parser.add_argument("--from", dest="owner", metavar="ID", help="who owns it now, and stops")


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


def _add_verb(
    verbs: argparse._SubParsersAction[_Parser],
    name: str,
    about: str,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=about, description=about, allow_abbrev=False)
    parser.epilog = EXIT_CODES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--repository",
        required=True,
        metavar="URL|DIRECTORY",
        help="https://ACCOUNT.blob.core.windows.net/NAME (with the identity that the environment"
        " or az login has, or with a SAS), beside which lies NAME-control; or a directory with"
        " data and control in it",
    )
    parser.add_argument(
        "--key-file",
        required=True,
        type=Path,
        help="a user key of the repository: 32 bytes, base64 or hex",
    )
    parser.add_argument(
        "--sas-file",
        type=Path,
        metavar="FILE",
        help="a file with the SAS to use; the environment variable VMBACKUP_SAS does as well",
    )
    parser.add_argument(
        "--control-sas-file",
        type=Path,
        metavar="FILE",
        help="a SAS of its own for the container NAME-control; or VMBACKUP_CONTROL_SAS",
    )
    parser.add_argument("--output", choices=("table", "json"), default="table")
    parser.add_argument(
        "--json", dest="output", action="store_const", const="json", help="as --output json"
    )
    parser.add_argument("--quiet", action="store_true", help="do not tell how far it has come")
    return parser


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--point",
        type=_point,
        metavar="POINT",
        help="those only whose run id begins so, the one of a RecoveryPoint's name, or latest: the"
        " latest of each VM",
    )
    parser.add_argument("--vm", metavar="NAME|ID", help="those of this VM only")
    parser.add_argument(
        "--manifests",
        action="store_true",
        help="what data has of each disk, by which restore --manifest brings it; also where the"
        " control place is lost",
    )
    add_printed(parser)


def _add_restore(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--point",
        type=_point,
        metavar="POINT",
        help="a run id (see list) or its first digits, latest, or a RecoveryPoint's name",
    )
    what.add_argument(
        "--manifest",
        metavar="NAME",
        help="the disk of this manifest (see list --manifests), into PATH, without its point",
    )
    add_printed(parser)
    parser.add_argument("--vm", metavar="NAME|ID", help="of this VM; latest needs it among several")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--disk", metavar="NAME", help="this disk only, into PATH")
    which.add_argument(
        "--all", action="store_true", help="every disk, into PATH/NAME.img (or .qcow2, .vhd)"
    )
    parser.add_argument(
        "--to", required=True, type=Path, metavar="PATH", help="a file, a block device or a folder"
    )
    parser.add_argument(
        "--format",
        dest="image",
        choices=("raw", "qcow2", "vhd"),
        default="raw",
        help="what a disk becomes in a file: its bytes as they are (raw, which is sparse), or an"
        " image for QEMU, or a fixed VHD as Azure takes it",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace files, and write into devices, that are there"
    )
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="go on past damage, bring all else, and print what is missing",
    )


def _point(text: str) -> WantedPoint:
    try:
        return wanted_point(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

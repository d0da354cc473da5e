"""What the commands about user keys accept."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vmbackup_operator.cli import argument_values
from vmbackup_operator.cli.commands import (
    AddKey,
    ExportKey,
    ImportKey,
    KeyCommand,
    ListKeys,
    RemoveKey,
    RotateKeys,
    Where,
)

#: Adds a verb with what every one of them takes.
AddKeyVerb = Callable[[Any, str, str], argparse.ArgumentParser]


def add_keys(parser: argparse.ArgumentParser, add_verb: AddKeyVerb) -> None:
    """Add the verbs of keys."""
    verbs = parser.add_subparsers(
        dest="key_command", required=True, metavar="list|add|remove|rotate|export|import"
    )
    add_verb(verbs, "list", "list the user keys that open the repository")
    add = add_verb(verbs, "add", "have another user key open all that this one does")
    add.add_argument("--new-key-file", required=True, type=Path, help="the key to be added")
    add.add_argument(
        "--label",
        type=argument_values.kept_text,
        help="what people call it; everybody with a key reads it",
    )
    remove = add_verb(verbs, "remove", "delete what another user key opens the repository by")
    remove.add_argument("fingerprint", metavar="FINGERPRINT", help="as list has it")
    rotate = add_verb(verbs, "rotate", "begin an epoch that only the given keys open")
    rotate.add_argument(
        "--keep", action="append", default=[], type=Path, metavar="FILE", help="another key to keep"
    )
    rotate.add_argument(
        "--end",
        action="append",
        default=[],
        type=argument_values.epoch,
        metavar="EPOCH",
        help="refuse what backups of this earlier epoch still bring",
    )
    export = add_verb(verbs, "export", "print what opens the repository with this key, for paper")
    export.add_argument(
        "--epoch", type=argument_values.epoch, help="of this epoch; else of the newest"
    )
    imported = add_verb(verbs, "import", "bring back what was printed")
    imported.add_argument("printed", type=Path, metavar="FILE", help="what was typed off the paper")


def key_command_of(where: Where, found: argparse.Namespace) -> KeyCommand:
    """Return which of them is asked for."""
    match found.key_command:
        case "list":
            return ListKeys(where)
        case "add":
            return AddKey(where, found.new_key_file, found.label)
        case "remove":
            return RemoveKey(where, found.fingerprint)
        case "rotate":
            return RotateKeys(where, tuple(found.keep), tuple(found.end))
        case "export":
            return ExportKey(where, found.epoch)
        case _:
            return ImportKey(where, found.printed)

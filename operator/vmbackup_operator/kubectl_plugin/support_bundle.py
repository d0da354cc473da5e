"""What goes into a support bundle: objects, events and logs without secrets; pure but for the file.

Everything is text that passes the project's filter for secrets. Secrets themselves are never read.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import yaml

from vmbackup_core.redaction import shown_lines, without_secrets
from vmbackup_operator.arm_ids import folded

#: What is written by hand there may be a password: the words alone say what was set.
_HAND_WRITTEN = frozenset({"overrides"})
#: Long, and said elsewhere in the object.
_LEFT_OUT_OF_METADATA = ("managedFields",)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SECRET_WORDS = ("password", "secretvalue", "token", "userdata", "customdata", "privatekey", "sas")
_INSTEAD = "…"


@dataclass(slots=True)
class Bundle:
    """Files by their names, and what is not among them and why."""

    files: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def add_object(self, folder: str, document: Mapping[str, Any]) -> None:
        """Take one object, as a file of its own."""
        metadata = document.get("metadata", {})
        namespace = metadata.get("namespace", "cluster")
        name = _file_name(str(metadata.get("name", "unnamed")))
        self.add_document(f"{_file_name(str(namespace))}/{folder}/{name}.yaml", document)

    def add_document(self, name: str, document: object) -> None:
        """Take *document* as YAML, without secrets."""
        self.files[name] = yaml.safe_dump(redacted(document), sort_keys=False, allow_unicode=True)

    def add_text(self, name: str, text: str) -> None:
        """Take *text*, without secrets and without what acts on terminals."""
        self.files[name] = shown_lines(text)

    def leave_out(self, what: str, why: str) -> None:
        """Say that *what* is not in it."""
        self.left_out.append(f"{what}: {why}")

    def packed(self, root: str, made: datetime) -> bytes:
        """Return it as tar.gz, all below the folder *root*."""
        files = {**self.files, "LEFT-OUT.txt": shown_lines("\n".join(self.left_out)) + "\n"}
        into = io.BytesIO()
        with tarfile.open(fileobj=into, mode="w:gz") as archive:
            for name in sorted(files):
                content = files[name].encode(errors="backslashreplace")
                member = tarfile.TarInfo(str(PurePosixPath(root) / name))
                member.size, member.mode, member.mtime = len(content), 0o600, made.timestamp()
                archive.addfile(member, io.BytesIO(content))
        return into.getvalue()


def redacted(value: object, *, is_hidden: bool = False) -> object:
    """Return *value* without secrets, and without what is long and says nothing.

    With *is_hidden* no text is left in it.
    """
    if isinstance(value, Mapping):
        return {
            str(name): redacted(each, is_hidden=is_hidden or _is_secret(str(name)))
            for name, each in value.items()
            if name not in (*_LEFT_OUT_OF_METADATA, _LAST_APPLIED)
        }
    if isinstance(value, list | tuple):
        return [redacted(each, is_hidden=is_hidden) for each in value]
    if isinstance(value, str):
        return _INSTEAD if is_hidden and value else without_secrets(value)
    return value


def _is_secret(name: str) -> bool:
    plain = folded(name).replace("_", "").replace("-", "")
    return name in _HAND_WRITTEN or any(plain.endswith(word) for word in _SECRET_WORDS)


def _file_name(text: str) -> str:
    return "".join(each if each.isalnum() or each in "-._" else "_" for each in text) or "_"

"""What is said of an error: its reason, as docs/operations.md has it, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.reasons import reasons_in
from vmbackup_core.errors import CorruptRepository, PermanentError, TransientError, VmbackupError
from vmbackup_core.stores.port import NotStored, ObjectUnreadable
from vmbackup_operator.cli.complaints import ADVICE, complaint_of, exit_code_of

ROOT = Path(__file__).resolve().parents[3]
CLI = ROOT / "operator/vmbackup_operator/cli"
#: Azure's own codes are passed on as they come, and the document says so of all of them.
OF_AZURE = {
    "AuthorizationFailure",
    "AuthorizationPermissionMismatch",
    "BlobArchived",
    "BlobBeingRehydrated",
}
OPERATIONS = (ROOT / "docs/operations.md").read_text()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CorruptRepository("p/1: cut"), 1, "CorruptRepository: p/1: cut; check --read-data names"),
        (NotStored("p/1"), 1, "NotStored: p/1 is not stored; check names all that is missing"),
        (ObjectUnreadable("p/1: EIO", reason="ObjectUnreadable"), 1, "ObjectUnreadable: p/1: EIO;"),
        (ObjectUnreadable("p/1", reason="StoreAccessDenied"), 2, "StoreAccessDenied: p/1; who"),
        (TransientError("reading"), 2, "StoreUnavailable: reading; look at network, proxy"),
        (PermanentError("x: no", reason="Odd"), 2, "Odd: x: no"),
        (VmbackupError("x"), 2, "InternalError: x; a fault of vmbackup's"),
    ],
)
def test_a_reason_what_and_what_to_do(error: VmbackupError, code: int, said: str) -> None:
    assert complaint_of(error).startswith(said)
    assert exit_code_of(error) == code


def test_whatever_the_command_line_says_itself_has_its_advice() -> None:
    words = set(reasons_in(CLI))

    assert words
    assert sorted(words - ADVICE.keys()) == []


def test_every_advice_is_explained_at_length() -> None:
    cells = re.findall(r"^\| ([^|]*) \|", OPERATIONS, re.MULTILINE)
    told = set(re.findall(r"\b[A-Z]\w+", " ".join(cells)))

    assert sorted(ADVICE.keys() - told - OF_AZURE) == []


def test_exit_codes_are_documented() -> None:
    for code in ("0", "1", "2", "130"):
        assert re.search(rf"^\| {code} \|", OPERATIONS, re.MULTILINE)

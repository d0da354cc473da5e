"""The values of section 37 of docs/repository-format.md, read from the page itself."""

from __future__ import annotations

import re
from pathlib import Path

from vmbackup_core.ids import ChainId, CommitSlot, RepositoryId, RunId
from vmbackup_core.repository.primitives.identities import PackId, WritingSession

PAGE = Path(__file__).resolve().parents[3] / "docs" / "repository-format.md"
_SECTION = PAGE.read_text().partition("## 37. Known values")[2]
_ROW = re.compile(r"^\| (.+?) \| `([^`]+)` \|$", re.MULTILINE)

#: What the page says, by the text of its row.
KNOWN: dict[str, str] = {what: value for what, value in _ROW.findall(_SECTION) if what != "what"}

#: The wrap as the page prints it.
PRINTED = _SECTION.partition("```\n")[2].partition("```")[0]


def known(beginning: str) -> str:
    """Return the value of the one row that begins so."""
    (value,) = [value for what, value in KNOWN.items() if what.startswith(beginning)]
    return value


USER_KEY = bytes.fromhex(known("user key"))
REPOSITORY = RepositoryId(known("repository id"))
MASTER = bytes.fromhex(known("master of epoch 1"))
CHAIN = ChainId(known("CHAIN of"))
RUN = RunId(known("RUN"))
PACK = PackId(CommitSlot(42), WritingSession("bb" * 16), 4097)

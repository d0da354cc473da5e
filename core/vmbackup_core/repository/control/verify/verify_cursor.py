"""Where a session is between its jobs: which chain, at which stage; a short text for its status."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.verify.verify_work import STAGES, Stage, VerifyWork
from vmbackup_core.repository.primitives.identities import is_id


@dataclass(frozen=True, slots=True)
class Cursor:
    """A chain and a stage of it; *left* are the bytes that the rota still reads, None at first.

    Behind all stages of a chain *stage* is the last one and *is_over* says so.
    """

    chain: ChainId | None
    stage: Stage = "new"
    left: int | None = None
    is_over: bool = False

    def at(self, chain: ChainId) -> Cursor | None:
        """Return where to begin with *chain*; None where it is over."""
        if self.chain is None or chain > self.chain:
            return Cursor(chain)
        return None if chain < self.chain or self.is_over else self

    def next_stage(self) -> Cursor | None:
        """Return the stage behind this one; None behind the last."""
        following = STAGES.index(self.stage) + 1
        return Cursor(self.chain, STAGES[following]) if following < len(STAGES) else None

    @staticmethod
    def parse(text: str) -> Cursor:
        """Return what `text` was made of; raise PermanentError for what is none."""
        if not text:
            return Cursor(None)
        chain, _, rest = text.partition("/")
        stage, _, left = rest.partition("/")
        known = next((each for each in STAGES if each == stage), None)
        if not is_id(chain) or (known is None and stage != "over") or not (left or "0").isdigit():
            raise PermanentError(f"{text[:80]!r} is no cursor", reason="BadMessage")
        if known is None:
            return Cursor(ChainId(chain), STAGES[-1], None, is_over=True)
        return Cursor(ChainId(chain), known, int(left) if left else None)

    @property
    def text(self) -> str:
        """Return it as a text."""
        if self.chain is None:
            return ""
        stage = "over" if self.is_over else self.stage
        return f"{self.chain}/{stage}" + ("" if self.left is None else f"/{self.left}")


def after(work: VerifyWork, *, is_accepted: bool) -> str:
    """Return where to go on behind *work*; with the next chain where it could not be accepted.

    New packs go on by the log, the rota by what is left of its share.
    """
    if not is_accepted or work.stage == "sample":
        return Cursor(work.chain, is_over=True).text
    if work.stage == "rota":
        return Cursor(work.chain, "rota", work.left_bytes).text
    return Cursor(work.chain, "new").text

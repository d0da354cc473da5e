"""Why an object or a repository of format 1.0 is refused; *damaged* is CorruptRepository.

    PermanentError
    ├── NotUnderstood            authentic, and made by or for somebody who knows more
    │   ├── NewerFormat          a format, flag, codec, cipher or kind that this version lacks
    │   ├── KeyRingIncomplete    of an epoch whose master no given user key opens
    │   └── KeyNotGiven          needs a key that this reader was not given
    ├── KeyMismatch, WrapMistyped, InvalidUserKey, LastKey
    ├── NoRepository, ForeignObjects, RepositoryThere
    └── ChainUnclear, ObjectTooLarge, ObjectMalformed
    CorruptRepository
    └── NoSuchEpoch              of an epoch that the repository never had

What is *unreadable now* is a TransientError of the store: Unreadable, or one that passes sooner.
"""

from __future__ import annotations

from collections.abc import Iterable

from vmbackup_core.errors import CorruptRepository, PermanentError

#: The page's word for it.
Damaged = CorruptRepository


class NotUnderstood(PermanentError):
    """An authentic object that this reader cannot read on: writers and prune stop."""


class NewerFormat(NotUnderstood):
    """A newer version wrote the object; *found* is what this one does not know."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(
            f"{name}: {found}, which this version does not know: use a newer one",
            reason="NewerFormat",
        )
        self.name = name
        self.found = found


class KeyRingIncomplete(NotUnderstood):
    """No wrap that the given user key opens holds the master of *epoch*."""

    def __init__(self, epoch: int) -> None:
        super().__init__(
            f"the given user key opens no wrap of epoch {epoch}: give one that does, or add this "
            "one to that epoch with a key that opens it",
            reason="KeyRingIncomplete",
        )
        self.epoch = epoch


class KeyNotGiven(NotUnderstood):
    """Who reads was given fewer keys than the object needs, on purpose: *what* is missing."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was not given to who reads here", reason="KeyNotGiven")


class NoSuchEpoch(CorruptRepository):
    """The repository has no header for *epoch*: an object that says so is damaged."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"there is no header of epoch {epoch}")
        self.epoch = epoch


class KeyMismatch(PermanentError):
    """The repository has no wrap for the given user key, or only of a lost race."""

    def __init__(self, given: str, there: Iterable[str]) -> None:
        listed = ", ".join(sorted(there)) or "none"
        super().__init__(
            f"the repository does not open with the user key {given}; it has wraps for: {listed}. "
            "Give one of these, or add the key with one of them",
            reason="KeyMismatch",
        )


class InvalidUserKey(PermanentError):
    """What was given is no user key; the message does not show it."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"{found}: a user key is 32 bytes, their 64 hexadecimal digits or their base64",
            reason="InvalidKey",
        )


class WrapMistyped(PermanentError):
    """A printed wrap was not typed as it was printed."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"the printed key wrap: {found}; compare it with the paper", reason="WrapMistyped"
        )


class LastKey(PermanentError):
    """Without this key nobody could open the newest epoch."""

    def __init__(self, fingerprint: str) -> None:
        super().__init__(
            f"no other key than {fingerprint} opens the newest epoch: add another one first",
            reason="LastKey",
        )


class NoRepository(PermanentError):
    """Neither place has a header or a wrap."""

    def __init__(self) -> None:
        super().__init__(
            "there is no repository here: neither a header nor a wrap", reason="NotInitialised"
        )


class ForeignObjects(PermanentError):
    """A repository is not begun where something else lies."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"no repository is begun here: {name} is there, which is none of its objects; "
            "give it a place of its own",
            reason="ForeignObjects",
        )


class RepositoryThere(PermanentError):
    """A repository without its header is opened or repaired, never begun anew."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"no repository is begun here: {name} is left of one whose header is lost or damaged; "
            "open it with one of its keys",
            reason="RepositoryThere",
        )


class ChainUnclear(PermanentError):
    """A chain has commits or manifests, but neither a chain header nor a manifest that opens."""

    def __init__(self, chain: str) -> None:
        super().__init__(
            f"chain {chain}: its header does not open and no manifest does from which to make it "
            "again; begin a new chain for the disk",
            reason="ChainUnclear",
        )


class ObjectTooLarge(PermanentError):
    """A writer was about to store what every reader would refuse."""

    def __init__(self, name: str, found: int, most: int) -> None:
        super().__init__(
            f"{name} would have {found} bytes, of which a reader takes {most}",
            reason="ObjectTooLarge",
        )


class ObjectMalformed(PermanentError):
    """A writer was about to store JSON that every reader would take for damage."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"{name} is not stored, since no reader would take it: {why}", reason="ObjectMalformed"
        )

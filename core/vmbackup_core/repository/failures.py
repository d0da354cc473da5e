"""The permanent failures of opening and reading a repository, each told apart by its reason."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError


class KeyMismatch(PermanentError):
    """The repository was written with another key."""

    def __init__(self, expected: str, given: str) -> None:
        super().__init__(
            f"the repository was made with the key {expected}; the one given is {given}",
            reason="KeyMismatch",
        )


class NotInitialised(PermanentError):
    """There is no repository here."""

    def __init__(self) -> None:
        super().__init__(
            "there is no repository here: no object named header", reason="NotInitialised"
        )


class UnsupportedFormat(PermanentError):
    """An object says that it needs something this version does not know."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(
            f"{name}: {found}, which this version cannot read", reason="UnsupportedFormat"
        )
        self.name = name

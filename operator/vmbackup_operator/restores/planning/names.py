"""What restored resources are called: as the recorded ones, and told from them by the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded

#: Azure's longest name of a disk and of a network interface.
_MOST = 80
_RUN_DIGITS = 8


def restored_name(recorded: str, run: RunId, between: str = "") -> str:
    """Return the recorded name, cut to leave room, and the first digits of the run."""
    end = f"{between}-{run[:_RUN_DIGITS]}"
    return f"{recorded[: _MOST - len(end)]}{end}"


def restored_names(
    recorded: Sequence[tuple[str, str]], given: Sequence[str | None], run: RunId, what: str
) -> tuple[str, ...]:
    """Return the name of each of *recorded*, pairs of position and name; one *given* goes first.

    Disks of several resource groups may have one name: their positions tell them apart.
    """
    names = [
        own or restored_name(name, run) for (_, name), own in zip(recorded, given, strict=True)
    ]
    seen = Counter(map(folded, names))
    apart = tuple(
        name if own is not None or seen[folded(name)] == 1 else restored_name(old, run, f"-{at}")
        for name, own, (at, old) in zip(names, given, recorded, strict=True)
    )
    twice = [name for name, count in Counter(map(folded, apart)).items() if count > 1]
    if twice:
        message = f"two {what} would be called {twice[0]}: give one of them another name"
        raise PermanentError(message, reason="NameTaken")
    return apart

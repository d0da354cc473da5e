"""The reasons that a worker may give for a job's failure, or for a full read: closed lists.

How a session ends is decided from the operator's own state; no word here says so.
"""

from __future__ import annotations

from typing import Literal, get_args

Reason = Literal[
    # the message
    "BadMessage",
    "JobSeenTooOften",
    "JobUnreadable",
    "NotSupported",
    "RefusedMessage",
    "UnknownKind",
    # the agent
    "AgentError",
    "OutOfMemory",
    "ShutDown",
    # the way
    "AccessRefused",
    "TransferInterrupted",
    # the export
    "DiskSizeDiffers",
    "ExportRefused",
    # the target of a restore
    "DiskDiffers",
    "DiskInUse",
    "DiskNotAttached",
    "UploadRefused",
    # the repository
    "AccountRefuses",
    "AlreadyStored",
    "AuthenticationFailed",
    "BaseUnreadable",
    "CorruptRepository",
    "InvalidKey",
    "KeyNotGiven",
    "KeyRingIncomplete",
    "NewerFormat",
    "NotStored",
    "ObjectMalformed",
    "ObjectTooLarge",
    "StoreRefused",
]

#: Why a disk that has a base is read whole all the same, in the same job.
FallbackReason = Literal[
    "BaseUnreadable",
    "DifferencesRefused",
    "DifferencesUntrue",
    "PredecessorUnreadable",
]

REASONS: tuple[Reason, ...] = get_args(Reason)
FALLBACK_REASONS: tuple[FallbackReason, ...] = get_args(FallbackReason)


def reason_named(word: str) -> Reason:
    """Return *word* as a worker may say it; what is not among the reasons is ``AgentError``."""
    return next((reason for reason in REASONS if reason == word), "AgentError")

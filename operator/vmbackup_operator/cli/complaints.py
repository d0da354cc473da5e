"""What is said of an error, in one line: its reason, what is wrong with what, and what to do."""

from __future__ import annotations

from vmbackup_core.errors import CorruptRepository, PermanentError, TransientError, VmbackupError

GOOD = 0
DAMAGE = 1
COULD_NOT = 2

#: What to do about each reason, as docs/operations.md has it at length.
ADVICE = {
    "AmbiguousPoint": "write more of the run id, or the VM with --vm",
    "AuthenticationFailed": "sign in (az login), or set AZURE_TENANT_ID, AZURE_CLIENT_ID and a"
    " secret; a SAS may have ended",
    "AuthorizationFailure": "the account lets nobody in from this network",
    "AuthorizationPermissionMismatch": "the identity, or the SAS, needs the right to read and list"
    " blobs there",
    "BlobArchived": "rehydrate copies the packs of a recovery point; any other blob needs an online"
    " access tier. Until then, restore --keep-going brings the rest",
    "BlobBeingRehydrated": "wait until the blob has left the archive tier",
    "ChainInUse": "end the disk's backups, and let its recovery points expire",
    "ChainUnclear": "drop what check names of it, or keep it",
    "ClaimUnclear": "say --from and that one's id, once it has ended",
    "ContainerNotFound": "compare the address with the container's in the portal",
    "ControlLost": "rebuild-control makes it again from data; restore --manifest brings a disk as"
    " it is",
    "ControlThere": "open the repository with one of its keys",
    "CorruptRepository": "check --read-data names all that is damaged; restore --keep-going brings"
    " the rest",
    "DeviceInUse": "unmount it, and end what else uses it",
    "DeviceTooSmall": "name a larger device, or a file",
    "FileExists": "or name another place with --to",
    "HealingUnknown": "repair --dry-run names those that are unfinished",
    "HistoryRolledBack": "find out who put the repository back to an earlier time",
    "Holes": "they read as zeros; take another recovery point for what lay there",
    "InternalError": "a fault of vmbackup's: tell us, with what VMBACKUP_TRACEBACK=1 prints",
    "InvalidAddress": "https://ACCOUNT.blob.core.windows.net/CONTAINER is one, and so is a"
    " directory",
    "InvalidKey": "a key file holds the 64 digits, their base64 or the 32 bytes of the key",
    "InvalidSas": "copy it from its maker once more: sv=…&sig=…",
    "KeyFileUnreadable": "name the file that holds the repository's key",
    "KeyMismatch": "find a key with one of these fingerprints among your copies",
    "KeyRingIncomplete": "give a key that opens that epoch: key list says which do",
    "LastKey": "add another key first",
    "LogDamaged": "check says what it costs; a recovery point that only it had made count is found"
    " again by the operator",
    "Misunderstood": "--help shows what there is",
    "NoDirectory": "name a directory, or https://ACCOUNT.blob.core.windows.net/CONTAINER",
    "NoRecoveryPoint": "vmbackup repository list shows those that there are",
    "NewerFormat": "use a newer version of vmbackup",
    "NoSuchChain": "check, prune and list --manifests name those that there are",
    "NoSuchDisk": "name one of these with --disk, or take them all with --all",
    "NoSuchEpoch": "key list shows which there are",
    "NoSuchHold": "holds lists those that there are",
    "NoSuchManifest": "list --manifests has those that there are",
    "NoSuchKey": "key list shows those that there are",
    "NotAFile": "name a file that is to be made, or a block device",
    "NotInitialised": "compare the address; an empty container is no repository yet",
    "NotDamaged": "check names what is damaged",
    "NotStored": "check names all that is missing; restore --keep-going brings the rest",
    "ObjectUnreadable": "bring that file back from your copy of the repository; restore"
    " --keep-going brings the rest",
    "OwnerChanged": "look whose the repository is, and claim it from that one",
    "OwnerUnknown": "say --appliance and its id",
    "OutputLost": "what was to be printed is not there: run it again with another place for it",
    "PacksArchived": "vmbackup repository rehydrate has them copied, and restore reads the copies;"
    " restore --keep-going brings the rest",
    "PointLeftOut": "name the point that you mean by its run id",
    "ReadOnly": "claim the repository where the appliance that owns it is gone",
    "RecoveryPointExpired": "restore another recovery point",
    "RestoredElsewhere": "move it to where it belongs",
    "RestoreFailed": "mend what it says, or name another place with --to",
    "SasFileUnreadable": "name the file that holds the SAS",
    "SasOnCommandLine": "put it into the environment variable VMBACKUP_SAS or a file for"
    " --sas-file, and revoke this one",
    "SnapshotUnreadable": "name the image, or make the snapshot's export again",
    "StoreAccessDenied": "who runs this needs the right to read it",
    "StoreNotADirectory": "name the directory that holds the repository",
    "StoreUnavailable": "look at network, proxy and DNS, and try again",
    "TargetFull": "make room there, or name another place with --to",
    "WrongVariables": "correct the environment variables that say who we are, or whom to trust",
    "WrongSettings": "correct the settings or the kubeconfig; docs/operations.md says how",
    "WrapMistyped": "compare what was typed with the paper",
}

#: What says that the repository is damaged, and not that it could not be reached.
_OF_DAMAGE = frozenset({"CorruptRepository", "NotStored", "ObjectUnreadable"})


def reason_of(error: VmbackupError) -> str:
    """Return the word under which docs/operations.md has *error*."""
    match error:
        case PermanentError(reason=reason):
            return reason
        case CorruptRepository():
            return "CorruptRepository"
        case TransientError():
            return "StoreUnavailable"
        case _:
            return "InternalError"


def complaint_of(error: VmbackupError) -> str:
    """Return the line that says *error*."""
    return complaint(reason_of(error), str(error))


def complaint(reason: str, text: str) -> str:
    """Return the line that says *text*, and what to do about its *reason*."""
    advice = ADVICE.get(reason)
    return f"{reason}: {text}" + (f"; {advice}" if advice else "")


def exit_code_of(error: VmbackupError) -> int:
    """Return the exit code where *error* ended a command."""
    return DAMAGE if reason_of(error) in _OF_DAMAGE else COULD_NOT

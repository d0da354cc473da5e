"""The key of a repository: what the Secret holds that its object names."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import KEY_LABEL, KEY_LABELLED, ObjectKey
from vmbackup_operator.reconciling.outcome import Failed
from vmbackup_operator.repositories.ports import Secrets


async def find_key(secrets: Secrets, repository: BackupRepository) -> UserKey | Failed:
    """Return the key from the Secret that the object names in its own namespace."""
    reference = repository.spec.encryption_key.secret_ref
    where = ObjectKey(repository.metadata.namespace, reference.name)
    values = await secrets.find(where)
    if values is None:
        message = f"there is no Secret {where} with the label {KEY_LABEL}={KEY_LABELLED}"
        return Failed("SecretNotFound", f"{message}: create it, or label it")
    value = values.get(reference.key)
    if value is None:
        return Failed("SecretNotFound", f"Secret {where} has no entry {reference.key}")
    return read_key(value, f"Secret {where}, entry {reference.key}")


def read_key(value: bytes, where: str) -> UserKey | Failed:
    """Return the key that a Secret's entry holds: 32 bytes, or the text that `vmbackup` printed."""
    try:
        return UserKey.parse(value)
    except PermanentError as error:
        return Failed(error.reason, f"{where}: {error}")

"""The key of a repository: what the Secret holds that its object names."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import KEY_LABEL, KEY_LABELLED, ObjectKey
from vmbackup_operator.repositories.ports import Secrets


async def find_key(secrets: Secrets, repository: BackupRepository) -> UserKey:
    """Return the key from the Secret that the object names in its own namespace.

    PermanentError says what is missing of it.
    """
    reference = repository.spec.encryption_key.secret_ref
    where = ObjectKey(repository.metadata.namespace, reference.name)
    values = await secrets.find(where)
    if values is None:
        message = f"there is no Secret {where} with the label {KEY_LABEL}={KEY_LABELLED}"
        raise PermanentError(f"{message}: create it, or label it", reason="SecretNotFound")
    value = values.get(reference.key)
    if value is None:
        raise PermanentError(
            f"Secret {where} has no entry {reference.key}", reason="SecretNotFound"
        )
    return read_key(value, f"Secret {where}, entry {reference.key}")


def read_key(value: bytes, where: str) -> UserKey:
    """Return the key that a Secret's entry holds: 32 bytes, or the text that `vmbackup` printed."""
    try:
        return UserKey.parse(value)
    except PermanentError as error:
        raise PermanentError(f"{where}: {error}", reason=error.reason) from error

"""A repository from its address, its key file and, where there is one, a SAS."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository import Repository, open_repository
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_core.stores.port import Store
from vmbackup_operator.cli.addresses import Container, Folder, read_address
from vmbackup_operator.cli.arguments import Where
from vmbackup_operator.cli.printing import Console
from vmbackup_operator.cli.secret_files import read_key, read_sas_file

SAS_VARIABLE = "VMBACKUP_SAS"


@dataclass(frozen=True, slots=True)
class Opened:
    """A repository, and the store that its objects lie in."""

    store: Store
    repository: Repository


def open_at(where: Where, console: Console) -> Opened:
    """Open the repository; what is not quite as it should be is told on *console*."""
    address = read_address(where.repository, _sas(where, console))
    key = read_key(where.key_file, console.complain)
    store = _store(address)
    return Opened(store, open_repository(store, key))


def _sas(where: Where, console: Console) -> str | None:
    if where.sas_file is not None:
        return read_sas_file(where.sas_file, console.complain)
    return os.environ.get(SAS_VARIABLE) or None


def _store(address: Folder | Container) -> Store:
    match address:
        case Folder(path):
            return DirectoryStore(_checked_folder(path))
        case Container(url, sas):
            # Azure's SDKs take a second to load, and no directory needs them.
            from vmbackup_operator.services.repository_access import (  # noqa: PLC0415
                container_store,
            )

            return container_store(url, sas)


def _checked_folder(path: Path) -> Path:
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise PermanentError(f"{path}: {error.strerror}", reason="NoDirectory") from error
    if not is_folder:
        raise PermanentError(f"{path} is no directory", reason="NoDirectory")
    return path

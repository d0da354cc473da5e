"""What is stored in a repository's account the operator may delete, and never alter."""

from __future__ import annotations

import uuid
from http import HTTPStatus

import pytest
from azure.core.exceptions import HttpResponseError

from tests.contract.azure_services.cloud import Adapters
from tools.local_cloud import seed
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.seen import account_of


async def test_the_operators_roles_add_to_a_repository_and_delete_and_alter_nothing(
    ours: Adapters,
) -> None:
    account = account_of(ArmId(seed.REPOSITORY_ACCOUNT_ID))
    container = ours.data_plane.blobs(account).get_container_client(seed.REPOSITORY_CONTAINER)
    blob = container.get_blob_client(f"probe/{uuid.uuid4().hex}")
    await blob.upload_blob(b"first", overwrite=False)

    for attempt in (
        lambda: blob.upload_blob(b"second", overwrite=True),
        lambda: blob.set_blob_metadata({"altered": "yes"}),
        container.delete_container,
    ):
        with pytest.raises(HttpResponseError) as refused:
            await attempt()
        assert refused.value.status_code == HTTPStatus.FORBIDDEN

    assert await (await blob.download_blob()).readall() == b"first"
    await blob.delete_blob()
    assert not await blob.exists()

"""Answers of the API server about Kubernetes' own kinds, where it says null for nothing."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest
from typing_extensions import override

from vmbackup_operator.cluster.answers import read
from vmbackup_operator.cluster.connection import JSON, Connection
from vmbackup_operator.cluster.definitions import missing_definitions
from vmbackup_operator.cluster.leadership import LeaseSpec, StoredLease
from vmbackup_operator.cluster.secrets_by_name import KeySecrets, NamedSecrets
from vmbackup_operator.cluster.undo_records import StoredUndoRecords
from vmbackup_operator.model.kinds import KINDS
from vmbackup_operator.model.metadata import KEY_LABEL, KEY_LABELLED, ObjectKey

#: As a real API server answers between the making of a CRD and its first look at it.
JUST_MADE = {
    "metadata": {"name": "recoverypoints.vmbackup.dev"},
    "status": {
        "acceptedNames": {"kind": "", "plural": ""},
        "conditions": None,
        "storedVersions": ["v1alpha1"],
    },
}
SERVED = {"status": {"conditions": [{"type": "Established", "status": "True", "reason": "x"}]}}
SECRET = ObjectKey("vmbackup-system", "ring")


class Answering(Connection):
    """An API server that answers every read with one document."""

    def __init__(self, document: object) -> None:
        self._document = document

    @override
    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
    ) -> bytes:
        return msgspec.json.encode(self._document)


@pytest.mark.parametrize("document", [JUST_MADE, {"status": None}, {}])
async def test_a_crd_of_which_nothing_is_said_yet_is_waited_for(document: object) -> None:
    missing = await missing_definitions(Answering(document))

    assert len(missing) == len(KINDS)


async def test_a_crd_that_is_served_is_not_waited_for() -> None:
    assert await missing_definitions(Answering(SERVED)) == []


async def test_a_secret_without_values_is_an_empty_one() -> None:
    document = {"metadata": {"labels": {KEY_LABEL: KEY_LABELLED}}, "data": None}

    assert await NamedSecrets(Answering(document)).find(SECRET) == {}
    assert await KeySecrets(Answering(document)).find(SECRET) == {}
    assert await KeySecrets(Answering({"metadata": {"labels": None}})).find(SECRET) is None


async def test_a_list_without_items_is_empty() -> None:
    records = StoredUndoRecords(Answering({"metadata": {}, "items": None}), "ns", "appliance")

    assert await records.all() == []


def test_a_lease_that_nobody_has_taken_is_nobodys() -> None:
    document = {"metadata": {"name": "l", "namespace": "n"}, "spec": {"holderIdentity": None}}

    assert read(msgspec.json.encode(document), StoredLease).spec == LeaseSpec()


def test_what_is_not_as_its_kind_is_is_still_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        read(b'{"metadata": {"name": 7, "namespace": "n"}, "spec": null}', StoredLease)

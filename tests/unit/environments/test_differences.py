"""What counts as a difference between what is wanted and what Azure shows."""

from __future__ import annotations

import pytest

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.environments.differences import differing

SAME: dict[str, tuple[Body, Body]] = {
    "what Azure adds": ({"a": 1}, {"a": 1, "id": "/x", "properties": {"b": 2}}),
    "the case of words": ({"p": {"mode": "TLS1_2"}}, {"p": {"mode": "tls1_2"}}),
    "a region's display name": ({"location": "westeurope"}, {"location": "West Europe"}),
    "the order of a list": ({"l": ["blob", "queue"]}, {"l": ["queue", "blob"]}),
    "somebody else's member of a named list": (
        {"l": [{"name": "ours", "v": 1}]},
        {"l": [{"name": "theirs"}, {"name": "OURS", "v": 1}]},
    ),
    "somebody else's tag": ({"tags": {"a": "1"}}, {"tags": {"a": "1", "b": "2"}}),
    "the case of a tag's name": ({"tags": {"vmbackup-x": "1"}}, {"tags": {"VMBackup-X": "1"}}),
    "a list that holds more": ({"l": ["a"]}, {"l": ["b", "a"]}),
}


@pytest.mark.parametrize(("desired", "existing"), SAME.values(), ids=SAME.keys())
def test_no_difference(desired: Body, existing: Body) -> None:
    assert differing(desired, existing) is None


DIFFERENT: dict[str, tuple[Body, Body, Body]] = {
    "another value": ({"a": 1}, {"a": 2}, {"a": 1}),
    "something missing": ({"a": {"b": 1}}, {}, {"a": {"b": 1}}),
    "the value of our tag in another case": (
        {"tags": {"vmbackup-a": "X"}},
        {"tags": {"VMBackup-A": "x"}},
        {"tags": {"VMBackup-A": "X"}},
    ),
    "a list that lacks something": ({"l": ["a"]}, {"l": ["b"]}, {"l": ["b", "a"]}),
    "a list in a word that only looks alike": (
        {"l": ["backup"]},
        {"l": ["bac\u212aup"]},
        {"l": ["bac\u212aup", "backup"]},
    ),
}


@pytest.mark.parametrize(("desired", "existing", "sent"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_a_difference_is_sent(desired: Body, existing: Body, sent: Body) -> None:
    assert differing(desired, existing) == sent


def test_what_is_sent_carries_along_what_exists_but_nothing_that_only_azure_writes() -> None:
    existing: Body = {
        "id": "/x",
        "etag": "1",
        "tags": {"theirs": "2"},
        "properties": {
            "provisioningState": "Succeeded",
            "dhcpOptions": {"dnsServers": ["10.0.0.4"]},
            "subnets": [{"name": "theirs"}, {"name": "workers", "properties": {"v": 1}}],
        },
    }
    desired: Body = {
        "tags": {"ours": "1"},
        "properties": {"subnets": [{"name": "workers", "properties": {"w": 2}}]},
    }

    assert differing(desired, existing) == {
        "tags": {"theirs": "2", "ours": "1"},
        "properties": {
            "dhcpOptions": {"dnsServers": ["10.0.0.4"]},
            "subnets": [{"name": "theirs"}, {"name": "workers", "properties": {"v": 1, "w": 2}}],
        },
    }

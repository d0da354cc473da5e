"""User delegation keys last as long as Azure lets them, and every field of theirs counts."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest

from azure_simulator.storage.delegation import DelegationKeys, KeyRequest, key_request, parsed_time
from azure_simulator.storage.wire import StorageError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def body(start: str, expiry: str) -> bytes:
    return f"<KeyInfo><Start>{start}</Start><Expiry>{expiry}</Expiry></KeyInfo>".encode()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-22T12:00:05Z", 5),
        ("2026-11-22T12:00:05.1234567Z", 5.123456),
        ("2026-11-22T12:00Z", 0),
        ("2026-11-22", -12 * 3600),
    ],
)
def test_times_come_in_azures_forms(text: str, seconds: float) -> None:
    assert parsed_time(text) == NOW + timedelta(seconds=seconds)


def test_a_good_request_is_read() -> None:
    asked = key_request(body("2026-11-22T11:00:00Z", "2026-11-29T11:00:00Z"), NOW)

    assert asked == KeyRequest(NOW - timedelta(hours=1), NOW + timedelta(days=7, hours=-1))


@pytest.mark.parametrize(
    ("start", "expiry"),
    [
        pytest.param("2026-11-22T11:00:00Z", "2026-11-30T12:00:00Z", id="eight days"),
        pytest.param("2026-11-22T11:00:00Z", "2026-11-22T11:30:00Z", id="over already"),
        pytest.param("2026-11-24T11:00:00Z", "2026-11-23T11:00:00Z", id="backwards"),
        pytest.param("yesterday", "2026-11-23T11:00:00Z", id="no time"),
        pytest.param("2026-11-22T11:00:00Z", "", id="without end"),
    ],
)
def test_a_request_for_more_than_azure_gives_is_refused(start: str, expiry: str) -> None:
    with pytest.raises(StorageError) as refused:
        key_request(body(start, expiry), NOW)

    assert refused.value.status == 400


def test_a_revocation_ends_the_keys_of_one_account() -> None:
    revoked = {"account": 0}
    keys = DelegationKeys(lambda account: revoked.get(account, 0))
    fields = {"skoid": "object", "sktid": "tenant", "sks": "b"}
    before = {name: keys.value(name, fields) for name in ("account", "another")}

    revoked["account"] += 1

    assert keys.value("account", fields) != before["account"]
    assert keys.value("another", fields) == before["another"]


def test_every_field_of_a_key_is_part_of_its_value() -> None:
    keys = DelegationKeys()
    asked = KeyRequest(NOW, NOW + timedelta(days=1))
    answer = ET.fromstring(  # noqa: S314 - the simulator's own
        keys.issue("account", "queue", asked, ("object", "tenant"), "2026-06-06")
    )
    fields = {
        "skoid": answer.findtext("SignedOid") or "",
        "sktid": answer.findtext("SignedTid") or "",
        "skt": answer.findtext("SignedStart") or "",
        "ske": answer.findtext("SignedExpiry") or "",
        "sks": answer.findtext("SignedService") or "",
        "skv": answer.findtext("SignedVersion") or "",
    }
    value = answer.findtext("Value")

    assert fields["sks"] == "q"
    assert keys.value("account", fields) == value
    assert keys.value("another", fields) != value
    assert DelegationKeys().value("account", fields) != value
    for name in fields:
        assert keys.value("account", {**fields, name: "other"}) != value

"""Sealed messages: what opens them, and what is refused."""

from __future__ import annotations

import json

import pytest

from vmbackup_core.ids import JobId, LaunchNonce, WorkerId
from vmbackup_core.protocol import (
    NO_JOB,
    Header,
    LaunchKey,
    RefusedMessage,
    fits,
    launch_key,
    new_launch,
    peek,
    seal,
    unseal,
)

APPLIANCE_KEY = bytes(range(32))
WORKER = WorkerId("w-0123abcd-1")
JOB = JobId("0123abcd-backup")
LAUNCH = LaunchNonce("0123456789abcdef" * 2)
HEADER = Header("event", WORKER, JOB, 7)


@pytest.fixture
def key() -> LaunchKey:
    return launch_key(APPLIANCE_KEY, WORKER, LAUNCH)


def altered(text: str, **fields: object) -> str:
    return json.dumps(json.loads(text) | fields)


def test_a_sealed_message_opens_with_its_launch_key(key: LaunchKey) -> None:
    text = seal(key, HEADER, b'{"kind":"x"}')

    opened = unseal(key, text, direction="event", worker_id=WORKER)
    assert opened == (HEADER, b'{"kind":"x"}')


def test_each_launch_of_a_worker_has_a_key_of_its_own() -> None:
    assert launch_key(APPLIANCE_KEY, WORKER, LAUNCH) != launch_key(
        APPLIANCE_KEY, WORKER, new_launch()
    )


@pytest.mark.parametrize("launch", ["", "0" * 31, "G" * 32, "0" * 33])
def test_what_is_no_launch_has_no_key(launch: str) -> None:
    with pytest.raises(ValueError, match="launch"):
        launch_key(APPLIANCE_KEY, WORKER, LaunchNonce(launch))


def test_a_launch_key_is_the_same_each_time_and_another_for_another_worker() -> None:
    assert launch_key(APPLIANCE_KEY, WORKER, LAUNCH) == launch_key(APPLIANCE_KEY, WORKER, LAUNCH)
    assert launch_key(APPLIANCE_KEY, WORKER, LAUNCH) != launch_key(
        APPLIANCE_KEY, WorkerId("w-2"), LAUNCH
    )
    assert launch_key(APPLIANCE_KEY, WORKER, LAUNCH) != launch_key(bytes(32), WORKER, LAUNCH)


def test_a_launch_key_survives_its_text_form_and_is_not_in_its_repr(key: LaunchKey) -> None:
    assert LaunchKey.from_text(key.to_text()) == key
    assert key.to_text() not in repr(key)
    assert repr(key.secret) not in repr(key)


@pytest.mark.parametrize("text", ["", "not base64!", "AAAA"])
def test_a_text_that_is_no_launch_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="launch key"):
        LaunchKey.from_text(text)


@pytest.mark.parametrize("worker", ["", "a\nb", "a/b", "ü", "x" * 65])
def test_ids_that_could_blur_the_associated_data_are_never_sealed(
    key: LaunchKey, worker: str
) -> None:
    header = Header("event", WorkerId(worker), JobId("a\nb" if not worker else "a"), 1)
    with pytest.raises(ValueError, match="ids"):
        seal(key, header, b"{}")


def test_the_same_payload_sealed_twice_gives_two_texts(key: LaunchKey) -> None:
    assert seal(key, HEADER, b"{}") != seal(key, HEADER, b"{}")


def test_nothing_of_the_payload_is_readable(key: LaunchKey) -> None:
    assert "topsecret" not in seal(key, HEADER, b'{"sas":"topsecret"}')


def test_any_flipped_bit_of_the_text_is_refused(key: LaunchKey) -> None:
    text = seal(key, HEADER, b'{"kind":"x"}').encode()
    opened = []
    for position in range(len(text)):
        for bit in range(7):  # the eighth makes it no ASCII
            changed = bytearray(text)
            changed[position] ^= 1 << bit
            try:
                opened.append(unseal(key, changed.decode(), direction="event", worker_id=WORKER))
            except RefusedMessage:
                continue

    # Base64's unused last bits and JSON's names may change without meaning; nothing else may open.
    assert all(one == (HEADER, b'{"kind":"x"}') for one in opened)
    assert len(opened) < 10


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"seq": 8}, "Altered", id="sequence"),
        pytest.param({"job": "other"}, "Altered", id="job"),
        pytest.param({"worker": "w-2"}, "ForeignWorker", id="worker"),
        pytest.param({"dir": "job"}, "WrongDirection", id="direction"),
        pytest.param({"v": 2}, "UnknownVersion", id="older version"),
        pytest.param({"v": 4}, "UnknownVersion", id="newer version"),
        pytest.param({"key": "0" * 16}, "ForeignKey", id="key"),
        pytest.param({"nonce": "AAAAAAAAAAAAAAAA"}, "Altered", id="nonce"),
        pytest.param({"sealed": "AAAA"}, "Altered", id="too short to have a tag"),
        pytest.param({"sealed": "not base64"}, "Altered", id="no base64"),
        pytest.param({"seq": 0}, "Malformed", id="no sequence number"),
        pytest.param({"more": 1}, "Malformed", id="unknown field"),
    ],
)
def test_an_altered_envelope_is_refused(
    key: LaunchKey, change: dict[str, object], why: str
) -> None:
    text = altered(seal(key, HEADER, b"{}"), **change)

    with pytest.raises(RefusedMessage) as refused:
        unseal(key, text, direction="event", worker_id=WORKER)
    assert refused.value.why == why


@pytest.mark.parametrize("text", ["", "hello", "[]", "{}", '{"v": "1"}', "\ud800", "null"])
def test_what_is_no_envelope_is_refused_as_malformed(key: LaunchKey, text: str) -> None:
    with pytest.raises(RefusedMessage) as refused:
        unseal(key, text, direction="event", worker_id=WORKER)
    assert refused.value.why == "Malformed"


def test_a_message_sealed_with_another_workers_key_is_foreign(key: LaunchKey) -> None:
    foreign = launch_key(APPLIANCE_KEY, WorkerId("w-2"), LAUNCH)
    text = seal(foreign, HEADER, b"{}")

    with pytest.raises(RefusedMessage) as refused:
        unseal(key, text, direction="event", worker_id=WORKER)
    assert refused.value.why == "ForeignKey"


def test_a_forger_who_names_the_right_key_is_refused(key: LaunchKey) -> None:
    foreign = launch_key(APPLIANCE_KEY, WorkerId("w-2"), LAUNCH)
    text = altered(seal(foreign, HEADER, b"{}"), key=key.key_id)

    with pytest.raises(RefusedMessage) as refused:
        unseal(key, text, direction="event", worker_id=WORKER)
    assert refused.value.why == "Altered"


def test_of_a_ring_of_keys_the_named_one_opens(key: LaunchKey) -> None:
    rotated = launch_key(b"\1" * 32, WORKER, LAUNCH)
    text = seal(key, HEADER, b"{}")

    opened, _ = unseal([rotated, key], text, direction="event", worker_id=WORKER)
    assert opened == HEADER


def test_peek_reads_the_header_of_a_message_about_the_worker_itself(key: LaunchKey) -> None:
    header = Header("event", WORKER, NO_JOB, 1)

    assert peek(seal(key, header, b"{}")) == header


def test_a_text_sealed_for_a_blob_is_no_queue_message(key: LaunchKey) -> None:
    text = seal(key, HEADER, b"{}", place="blob")

    with pytest.raises(RefusedMessage):
        unseal(key, text, direction="event", worker_id=WORKER)


def test_a_payload_of_almost_48_kib_fits_and_one_of_48_kib_does_not(key: LaunchKey) -> None:
    assert fits(seal(key, HEADER, b"x" * (48 * 1024 - 512)))
    assert not fits(seal(key, HEADER, b"x" * (48 * 1024)))


def test_refusals_do_not_repeat_the_message(key: LaunchKey) -> None:
    text = altered(seal(key, HEADER, b"{}"), seq=8)

    with pytest.raises(RefusedMessage) as refused:
        unseal(key, text, direction="event", worker_id=WORKER)
    assert json.loads(text)["sealed"] not in str(refused.value)


@pytest.mark.parametrize(
    "text", ['{"v":3,"x":' + "[" * 50_000, '{"v":3,"x":' + "[" * 20_000 + "]" * 20_000 + "}"]
)
def test_a_message_nested_without_end_is_refused_like_any_other(text: str) -> None:
    with pytest.raises(RefusedMessage) as refused:
        peek(text)
    assert refused.value.why == "Malformed"


def test_a_text_longer_than_any_queue_message_is_not_even_read(key: LaunchKey) -> None:
    with pytest.raises(RefusedMessage) as refused:
        peek(seal(key, HEADER, b"x" * 48 * 1024))
    assert refused.value.why == "TooLong"

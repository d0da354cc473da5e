"""JSON comes back as it was written, and what the format does not allow is damaged."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.primitives.failures import ObjectMalformed
from vmbackup_core.repository.primitives.json_payloads import (
    ID,
    Digest,
    Number,
    Text,
    Time,
    encode,
    parsed,
    written,
)


class Thing(msgspec.Struct, frozen=True, rename="camel"):
    chain_id: Annotated[ChainId, ID]
    sha256: Digest | None
    slot: Number
    label: Text
    made_at: Time | None


MOMENT = Time.of(datetime(2026, 11, 26, 17, 5, 9, tzinfo=UTC))
THING = Thing(ChainId("ab" * 16), None, 7, "a thing", MOMENT)
WRITTEN = (
    b'{"chainId":"abababababababababababababababab","sha256":null,"slot":7,"label":"a thing",'
    b'"madeAt":"2026-11-26T17:05:09.000000Z"}'
)


def test_a_value_is_written_and_read_as_the_page_says() -> None:
    assert encode(THING) == WRITTEN
    assert parsed("o", WRITTEN, Thing) == THING


@pytest.mark.parametrize(
    "other",
    [
        {"chain_id": "ab"},
        {"sha256": "00"},
        {"slot": -1},
        {"slot": 2**53},
        {"label": "a" * 1025},
        {"label": "\u00e4" * 513},
    ],
    ids=["id", "digest", "negative", "large", "long", "many bytes"],
)
def test_what_no_reader_would_take_is_not_written(other: dict[str, Any]) -> None:
    assert written("o", THING) == WRITTEN

    with pytest.raises(ObjectMalformed, match="o is not stored"):
        written("o", msgspec.structs.replace(THING, **other))


@given(
    slot=st.integers(0, 2**53 - 1),
    label=st.text('ab\u00e4\u2603"\\\n', max_size=20),
    at=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_any_value_comes_back(slot: int, label: str, at: datetime) -> None:
    thing = Thing(ChainId("00" * 16), "00" * 32, slot, label, Time.of(at))

    assert parsed("o", encode(thing), Thing) == thing


def test_fields_that_nobody_knows_are_passed_over() -> None:
    more = WRITTEN[:-1] + b',"later":{"deep":[1,null,true]}}'

    assert parsed("o", more, Thing) == THING


def changed(old: str, new: str) -> bytes:
    assert old.encode() in WRITTEN
    return WRITTEN.replace(old.encode(), new.encode())


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b"null", id="null"),
        pytest.param(WRITTEN + b"{}", id="two"),
        pytest.param(WRITTEN[:-1], id="cut"),
        pytest.param(b"\xef\xbb\xbf" + WRITTEN, id="a byte order mark"),
        pytest.param(WRITTEN.decode().encode("utf-16"), id="UTF-16"),
        pytest.param(changed("a thing", "\\ud800"), id="half a surrogate pair"),
        pytest.param(WRITTEN.replace(b"a thing", b"\xff"), id="no UTF-8"),
        pytest.param(changed('"slot":7', '"slot":7,"slot":7'), id="a field twice"),
        pytest.param(
            changed('"slot":7', '"slot":7,"x":{"y":1,"y":1}'), id="an unknown field twice"
        ),
        pytest.param(changed('"slot":7,', ""), id="a field missing"),
        pytest.param(changed('"slot":7', '"slot":null'), id="null where none may be"),
        pytest.param(changed('"slot":7', '"slot":-1'), id="below zero"),
        pytest.param(changed('"slot":7', '"slot":9007199254740992'), id="2^53"),
        pytest.param(changed('"slot":7', f'"x":{"9" * 5000},"slot":7'), id="many digits"),
        pytest.param(changed('"slot":7', '"slot":7.0'), id="a fraction"),
        pytest.param(changed('"slot":7', '"slot":7,"x":1e3'), id="an exponent"),
        pytest.param(changed('"slot":7', '"slot":7,"x":NaN'), id="no number"),
        pytest.param(changed('"slot":7', '"slot":"7"'), id="a text for a number"),
        pytest.param(changed("abab", "ABAB"), id="an id in upper case"),
        pytest.param(changed('abab"', 'abab\\n"'), id="an id and a line's end"),
        pytest.param(changed('"sha256":null', '"sha256":"abab"'), id="a short digest"),
        pytest.param(changed("a thing", "x" * 1025), id="a long text"),
        pytest.param(changed(".000000Z", "Z"), id="a time without its fraction"),
        pytest.param(changed(".000000Z", ".000000+00:00"), id="a time with an offset"),
        pytest.param(changed("2026-11-26T", "2026-11-26t"), id="a time in lower case"),
        pytest.param(changed("2026-11-26", "2026-13-26"), id="a month too many"),
        pytest.param(changed('"2026-11-26T17:05:09.000000Z"', "7"), id="a number for a time"),
        pytest.param(changed('"slot":7', f'"slot":7,"x":{"[" * 16}{"]" * 16}'), id="17 levels"),
        pytest.param(changed('"slot":7', f'"slot":7,"x":{"[" * 9**5}'), id="levels without end"),
    ],
)
def test_what_the_format_does_not_allow_is_damaged(payload: bytes) -> None:
    with pytest.raises(CorruptRepository, match=r"^v/one: "):
        parsed("v/one", payload, Thing)


def test_sixteen_levels_are_read() -> None:
    deep = changed('"slot":7', f'"slot":7,"x":{"[" * 15}{"]" * 15}')

    assert parsed("o", deep, Thing) == THING


def test_a_time_is_written_in_utc_whatever_zone_it_came_in() -> None:
    east = datetime(2026, 11, 26, 18, 5, 9, 7, tzinfo=timezone(timedelta(hours=1)))

    assert str(Time.of(east)) == "2026-11-26T17:05:09.000007Z"
    assert Time.parse("2026-11-26T17:05:09.000007Z") == east
    assert str(Time.of(datetime(9, 1, 1, tzinfo=UTC))) == "0009-01-01T00:00:00.000000Z"


FIRST_AT_ONCE = """
import sys, threading
import msgspec
from vmbackup_core.repository.primitives.json_payloads import Digest, parsed

def kind(number):
    fields = [(f"field{at}", Digest | None, None) for at in range(20)]
    inner = msgspec.defstruct(f"Inner{number}", fields)
    return msgspec.defstruct(f"Outer{number}", [("inner", list[inner])])

def read(together, kind):
    together.wait()
    lengths.append(len(parsed("x", b'{"inner": [{}, {}]}', kind).inner))

lengths = []
sys.setswitchinterval(1e-6)
for number in range(100):
    together, kind_of_all = threading.Barrier(8), kind(number)
    threads = [threading.Thread(target=read, args=(together, kind_of_all)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
print(lengths == [2] * 800)
"""


def test_threads_that_read_a_kind_first_at_once_all_read_it() -> None:
    """In a process of its own: where it fails, the interpreter has crashed."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", FIRST_AT_ONCE], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")

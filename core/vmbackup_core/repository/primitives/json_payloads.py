"""JSON as the format allows it: no field twice, not too deep, whole numbers, exact times."""

from __future__ import annotations

import json
import re
import threading
from datetime import datetime, timezone
from typing import Annotated, Any, Final, NoReturn, TypeVar

import msgspec
from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.primitives.failures import ObjectMalformed

DEEPEST: Final = 16
LARGEST_NUMBER: Final = 2**53 - 1
TEXT_MOST: Final = 1024
#: The fields whose texts may have more bytes than others'.
_LONGER: Final = {"vmDescription": 262_144, "lost": 65_536}

#: For `Annotated[ChainId, ID]` and its like.
ID: Final = msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")
DIGEST: Final = msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")
Digest = Annotated[str, DIGEST]
Text = Annotated[str, msgspec.Meta(max_length=TEXT_MOST)]
Number = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_NUMBER)]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_WRITTEN = "%Y-%m-%dT%H:%M:%S.%fZ"

T = TypeVar("T")

_DECODERS: Final[dict[type[Any], msgspec.json.Decoder[Any]]] = {}
_MAKING: Final = threading.Lock()


class Time(datetime):
    """A moment in UTC that is written with 27 characters."""

    @staticmethod
    def of(moment: datetime) -> Time:
        """Return *moment*, which is aware."""
        utc = moment.astimezone(timezone.utc)
        return Time.combine(utc.date(), utc.time(), timezone.utc)

    @staticmethod
    def parse(text: str) -> Time:
        """Return the moment that *text* writes; raise ValueError for any other way to write it."""
        if _TIME.fullmatch(text) is None:
            raise ValueError(f"{text[:40]!r} is no time as in 2026-11-26T17:05:09.000000Z")
        return Time.of(datetime.strptime(text, _WRITTEN).replace(tzinfo=timezone.utc))

    @override
    def __str__(self) -> str:
        whole = self.replace(tzinfo=None).isoformat(timespec="microseconds")
        return f"{whole}Z"


def encode(value: msgspec.Struct) -> bytes:
    """Return *value* as JSON."""
    return msgspec.json.encode(value, enc_hook=write_time)


def written(name: str, value: msgspec.Struct) -> bytes:
    """Return *value* as JSON that readers take for the content of the object called *name*.

    Raise ObjectMalformed where they would not: a struct is made without a look at its bounds.
    """
    payload = encode(value)
    try:
        parsed(name, payload, type(value))
        json.loads(payload, object_pairs_hook=_short)
    except (CorruptRepository, ValueError) as error:
        raise ObjectMalformed(name, str(error)) from error
    return payload


def parsed(name: str, payload: bytes, kind: type[T]) -> T:
    """Return the *kind* that *payload*, the content of the object called *name*, is JSON of."""
    try:
        _check_form(payload)
        return _decoder(kind).decode(payload)
    except (ValueError, RecursionError, msgspec.DecodeError) as error:
        raise CorruptRepository(f"{name}: {error}") from error


def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """Return the decoder of *kind*, made by one thread.

    msgspec writes down what a struct has while it makes the struct's first decoder: another thread
    that comes upon it half written crashes.
    """
    found = _DECODERS.get(kind)
    if found is None:
        with _MAKING:
            found = _DECODERS.setdefault(kind, msgspec.json.Decoder(kind, dec_hook=read_time))
    return found


def write_time(value: object) -> str:
    """Return a `Time` as its text: what msgspec's encoders ask for."""
    if isinstance(value, Time):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no form in JSON")


def read_time(kind: type, value: object) -> Time:
    """Return the `Time` that a text is: what msgspec's decoders ask for; raise ValueError."""
    if kind is Time and isinstance(value, str):
        return Time.parse(value)
    raise ValueError(f"a {type(value).__name__} is no {kind.__name__}")


def _check_form(payload: bytes) -> None:
    """Raise ValueError for what msgspec lets pass and the format does not."""
    whole = json.loads(
        payload.decode(),
        object_pairs_hook=_fields,
        parse_int=_number,
        parse_float=_no_number,
        parse_constant=_no_number,
    )
    level = [whole]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
    if level:
        raise ValueError(f"more than {DEEPEST} levels deep")


def _inside(value: object) -> list[Any]:
    """Return the objects and arrays in *value*."""
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in held if isinstance(each, (dict, list))]


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"the field {name[:40]!r} is there twice")
        fields[name] = value
    return fields


def _short(pairs: list[tuple[str, Any]]) -> None:
    for name, value in pairs:
        most = _LONGER.get(name, TEXT_MOST)
        if isinstance(value, str) and len(value.encode()) > most:
            raise ValueError(f"the text {name!r} has more than {most} bytes")


def _number(text: str) -> int:
    if len(text) > len(str(LARGEST_NUMBER)) or not 0 <= int(text) <= LARGEST_NUMBER:
        _no_number(text)
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is no whole number from 0 to 2^53 - 1")

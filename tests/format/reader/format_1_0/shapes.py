"""JSON [1], and which fields each object has."""

import json
import re
from typing import Any

from .ciphers import Damaged

KIB = 1 << 10
Json = dict[str, Any]


def no_float(text: str) -> Any:
    raise Damaged(f"{text} is no number of the format")


def whole_number(text: str) -> int:
    if not 0 <= int(text) < 1 << 53:
        no_float(text)
    return int(text)


def no_twice(pairs: list[tuple[str, Any]]) -> Json:
    if len({name for name, _ in pairs}) != len(pairs):
        raise Damaged("a field occurs twice")
    return dict(pairs)


def depth(value: Any) -> int:
    inner = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    )
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def parse_json(payload: bytes) -> Json:
    try:
        value = json.loads(
            payload.decode(),
            object_pairs_hook=no_twice,
            parse_int=whole_number,
            parse_float=no_float,
            parse_constant=no_float,
        )
    except (ValueError, RecursionError) as failure:
        raise Damaged(f"no JSON: {failure}") from None
    if not isinstance(value, dict) or depth(value) > 16:
        raise Damaged("JSON that is no object of at most 16 levels")
    return value


def is_text(value: Any, most: int = KIB) -> bool:
    return isinstance(value, str) and len(value.encode()) <= most


def is_hex(value: Any, digits: int) -> bool:
    return isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{digits}}}", value) is not None


KINDS: dict[str, Any] = {
    "id": lambda value: is_hex(value, 32),
    "pack": lambda value: is_hex(value, 48),
    "digest": lambda value: is_hex(value, 64),
    "text": is_text,
    "text64k": lambda value: is_text(value, 64 * KIB),
    "text256k": lambda value: is_text(value, 256 * KIB),
    "flag": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "time": lambda value: (
        isinstance(value, str)
        and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", value) is not None
    ),
}


def fits(kind: Any, value: Any) -> bool:
    """Whether a value has the type: {fields}, [item, most], one of KINDS, `?`: or null, `a|b`.

    A field whose name ends in `=` may be left out.
    """
    if isinstance(kind, dict):
        return isinstance(value, dict) and all(
            fits(inner, value[name.removesuffix("=")])
            if name.removesuffix("=") in value
            else name.endswith("=")
            for name, inner in kind.items()
        )
    if isinstance(kind, list):
        return (
            isinstance(value, list)
            and len(value) <= kind[1]
            and all(fits(kind[0], one) for one in value)
        )
    if kind.endswith("?"):
        return value is None or fits(kind[:-1], value)
    if "|" in kind:
        return value in kind.split("|")
    return bool(KINDS[kind](value))


def fields(text: str, **inner: Any) -> Json:
    """`a b:id c:text` as {a: id, b: id, c: text}: what has no type takes the next one's."""
    made: Json = {}
    waiting: list[str] = []
    for word in text.split():
        name, _, kind = word.partition(":")
        waiting.append(name)
        if kind:
            made |= dict.fromkeys(waiting, kind)
            waiting = []
    return made | inner


MANY = 1 << 20
RETENTION = fields(
    "last daily weekly monthly yearly hourly= withinDays= minSuccessful=:number timeZone=:text"
)
SLOT = fields("chain:id slot:number")
HEADER = fields(
    "repositoryId masterId:id epoch:number applianceId:text createdAt:time"
    " putIfAbsent:native|link|rename|exclusive"
)
BODIES: dict[str, Json] = {
    "CHAN": fields(
        "chainId createdBy:id generation epoch:number diskUniqueId:text predecessor:id?"
        " createdAt:time purpose:text",
        parameters=fields("blockBytes shardBytes packBytes:number blockHash cipher:text"),
    ),
    "COMM": fields(
        "chainId:id slot:number kind:text reason:damaged|retired? runId session:id? manifest:text?"
        " manifestSha256:digest? ofSlot:number? snapshotUniqueId:text?"
        " diskBytes:number? storedBytes:number"
        " previous:digest? lockedUntil:time? by:text at:time",
        packList=[fields("name:text sha256:digest entries:number"), 4_096],
    ),
    "PONT": fields(
        "repositoryId runId:id applianceId vmId vmName vmRegion:text"
        " vmDescription:text256k createdAt:time"
        " policyNamespace policyName:text? kind:full|incremental previous:digest?",
        retention=RETENTION | {"held=": [fields("until:time", rule=RETENTION), 8]},
        disks=[
            fields(
                "id name uniqueId:text lun:number? sizeBytes:number snapshotId"
                " snapshotUniqueId:text chainId:id"
                " slot:number commitSha256:digest manifest:text manifestSha256:digest"
                " readBytes storedBytes:number"
            ),
            256,
        ],
    ),
    "HOLD": fields(
        "chainId:id slot:number purpose:backup|restore|archive|verify|repair holder:text at:time"
    ),
    "LOGO": fields("number:number previous:digest? at:time by:text"),
    "STAT": fields("number part:number"),
    "MANI": fields(
        "chainId session runId:id generation chainEpoch slot diskBytes "
        " blockBytes shardBytes packBytes:number"
        " kind:full|incremental baseSlot:number? snapshotUniqueId:text takenAt:time?",
        sessions=["id", 1_000],
        disk=fields("id uniqueId name:text lun:number?"),
        vm=fields("id name region:text"),
        statistics=fields("readBytes newBlocks reusedBlocks deltaBlocks zeroBlocks:number"),
    ),
}
ENTRIES: dict[str, Json] = {
    "recorded": fields(
        "vm run:id sha256:digest createdAt:time", disks=[SLOT | fields("commitSha256:digest"), 256]
    ),
    "proven": fields("chain:id slot:number what:list|packs|sample|rota upTo:pack? amount:number"),
    "expiring": fields("phase:begun|done vm run:id?", disks=[SLOT, 256]),
    "bad": fields("chain:id object:pack|index id:pack size:number what:missing|resized|damaged"),
    "healed": fields(
        "chain:id phase:begun|done session run:id",
        heals=["pack", MANY],
        packs=[fields("number size:number footSha256:digest"), MANY],
    ),
    "dropped": fields("chain:id slot:number? what:commit|manifest|healing session:id? why:text"),
    "begunAnew": fields("chain successor:id generation:number why:text"),
    "key": fields("action:added|removed fingerprint:id label:text?"),
    "epoch": fields("epoch:number masterId:id", ended=["number", MANY]),
    "claimed": fields("appliance:text from:text?"),
    "rebuilt": fields("lost:text64k"),
}

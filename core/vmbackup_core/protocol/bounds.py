"""How large and how deep a message may be: what the cluster's status takes, and nothing beyond.

Each bound that a status field has too is written once more in the CRD; a test compares the two.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from vmbackup_core.protocol.limits import FALLBACK_CHARS

#: An int64, as Kubernetes stores it: the totals of a job.
MOST = 2**63 - 1
#: Of one disk: far above Azure's largest (64 TiB), and 65 of them still add up within an int64.
MOST_OF_DISK = 2**56
#: Arrays and objects within each other.
DEPTH = 8
#: A job that lies in a blob: of 65 disks, each with 992 sessions to adopt, it needs some 5 MiB; the
#: rest is for what is bad of their chains, some 100 bytes for each object.
JOB_BYTES = 64 * 1024 * 1024
#: Results that lie in a blob.
RESULTS_BYTES = 64 * 1024 * 1024

ID_CHARS = 1_000
#: Some 200 for each epoch of the repository's keys.
KEYS_CHARS = 64 * 1024
WORKER_CHARS = 64
JOB_CHARS = 128
LAUNCH_CHARS = 32

_ID = "[A-Za-z0-9._-]"

#: For types of our own: ``Annotated[WorkerId, WORKER]``.
LAUNCH = msgspec.Meta(pattern=rf"\A[0-9a-f]{{{LAUNCH_CHARS}}}\Z")
WORKER = msgspec.Meta(pattern=rf"\A{_ID}{{1,{WORKER_CHARS}}}\Z")
JOB = msgspec.Meta(pattern=rf"\A{_ID}{{1,{JOB_CHARS}}}\Z")

Total = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
Amount = Annotated[int, msgspec.Meta(ge=0, le=MOST_OF_DISK)]
Sequence = Annotated[int, msgspec.Meta(ge=1, le=MOST)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2_048)]
ArmIdText = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_CHARS)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=4_096)]
#: What is as long in JSON as it is here: of printable ASCII all that need not be escaped.
_SAID = r" !#-\[\]-~"
UNSAID = re.compile(f"[^{_SAID}]")
FallbackText = Annotated[str, msgspec.Meta(pattern=rf"\A[{_SAID}]{{0,{FALLBACK_CHARS}}}\Z")]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
#: What `ChainKeys.text` returns.
Keys = Annotated[str, msgspec.Meta(min_length=1, max_length=KEYS_CHARS)]
#: The whole name of a manifest.
ManifestText = Annotated[
    str, msgspec.Meta(pattern=r"\Ac/[0-9a-f]{32}/m/[0-9a-f]{5}/[0-9a-f]{3}/[0-9a-f]{32}\Z")
]
#: A pack or index object: slot, session and number as 48 hexadecimal digits.
PackedId = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{48}\Z")]
PackNumber = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
#: Where a record, section or table begins in its object.
Offset = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
#: 64 TiB in blocks of 4 KiB.
BlockNumber = Annotated[int, msgspec.Meta(ge=0, lt=2**34)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
WorkerText = Annotated[str, WORKER]
#: A job's id; empty in what concerns the worker itself.
JobTextOrNone = Annotated[str, msgspec.Meta(pattern=rf"\A{_ID}{{0,{JOB_CHARS}}}\Z")]

#: What tells strings from the brackets between them.
_MARK = re.compile(r'\\.|["\[\]{}]', re.DOTALL)


def text_of(payload: bytes) -> str:
    """Return *payload* as text; raise ValueError where it is no UTF-8, or too deep."""
    text = payload.decode("utf-8")
    if text.count("[") + text.count("{") <= DEPTH:
        return text  # nearly every message: it need not be looked through
    depth, in_string = 0, False
    for mark in _MARK.finditer(text):
        if mark[0] == '"':
            in_string = not in_string
        elif not in_string and len(mark[0]) == 1:
            depth += 1 if mark[0] in "[{" else -1
        if depth > DEPTH:
            raise ValueError(f"more than {DEPTH} arrays and objects within each other")
    return text

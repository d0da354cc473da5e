"""Answers of the API server about Kubernetes' own kinds, as typed values.

An empty list or map is not always left out, and not always empty: a CRD that was made a moment ago
has ``"conditions": null``. To Kubernetes that is the same as nothing said, and so it is here.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from vmbackup_operator.model.nulls import read_as

Kind = TypeVar("Kind")


def read(answer: bytes, kind: type[Kind]) -> Kind:
    """Return *answer* as *kind*, with its defaults where null is said in their place."""
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.ValidationError:
        return read_as(msgspec.json.decode(answer), kind)

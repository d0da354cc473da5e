"""A ServiceAccount's token that is bound to its pod, and when it is renewed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.nodeagent.api import Api
from tools.nodeagent.pods import Pod

#: The kubelet's: once four fifths of its time are over, or a day.
_SHARE, _LONGEST_S = 0.8, 24 * 3600.0
#: What a token is valid for where its volume says nothing.
_VALID_S = 3600


@dataclass(frozen=True, slots=True)
class Token:
    """A token, when it was asked for and when it ends, in seconds since 1970."""

    text: str
    issued: float
    expires: float

    def is_due(self, now: float) -> bool:
        """Tell whether it is to be renewed at *now*."""
        age = now - self.issued
        return age >= min(_SHARE * (self.expires - self.issued), _LONGEST_S)


def ask_for_token(api: Api, pod: Pod, source: Mapping[str, Any], now: Callable[[], float]) -> Token:
    """Return a token as *source*, of a projected volume, wants it: good while *pod* is there."""
    path = f"/api/v1/namespaces/{pod.namespace}/serviceaccounts/{pod.account}/token"
    bound = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
    wanted = {
        "audiences": [source["audience"]] if "audience" in source else [],
        "expirationSeconds": source.get("expirationSeconds", _VALID_S),
        "boundObjectRef": bound,
    }
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": wanted}
    issued = now()
    granted = api.send("POST", path, request)["status"]
    expires = datetime.fromisoformat(granted["expirationTimestamp"]).timestamp()
    return Token(granted["token"], issued, expires)

"""Texts without the secrets that URLs carry, for logs, events and errors."""

from __future__ import annotations

import re

_QUERY = re.compile(r"\?[^\s\"'<>]*")
#: A SAS's signature wherever it stands, also in a query torn from its URL.
_SIGNATURE = re.compile(r"\b(sig|skt|sks|sip|se|sp|st|sv|sr|si)=[^&\s\"'<>]*", re.IGNORECASE)


def without_query(url: str) -> str:
    """Return *url* up to its query, which is where a SAS is."""
    return url.split("?", 1)[0]


def without_secrets(text: str) -> str:
    """Return *text* with every URL's query and every SAS parameter taken out."""
    return _SIGNATURE.sub(r"\1=…", _QUERY.sub("?…", text))

"""The filter for texts that others wrote: no secret, and nothing that acts on whoever reads them.

What workers, Run Commands and Azure say is shown in a status, an Event, a log and on a terminal.
All of it passes `shown` before; text that has passed it passes unchanged.
"""

from __future__ import annotations

import re
import unicodedata

#: A query with parameters, which is where a SAS stands.
_QUERY = re.compile(r"\?(?=[^\s\"'<>]*=)[^\s\"'<>]*")
#: A SAS's parameters wherever they stand, also torn from their URL, or encoded into another one.
_SIGNATURE = re.compile(
    r"(?:\b|(?<=%3F)|(?<=%26))(sig|signature|skoid|sktid|skt|sks|ske|skv|sip|spr|se|sp|st|sv|sr|si)(=|%3D)[^&\s\"'<>]*",
    re.IGNORECASE,
)
#: ``Authorization`` headers, and what connection strings, JSON and our own variables call secrets.
_NAMED = re.compile(
    r"\b((?:bearer|sharedkey(?:lite)?)\s+(?=\S{16})"
    r"|(?:accountkey|sharedaccesssignature|password|client_secret|access_token|refresh_token"
    r"|launchKey|VMBACKUP_LAUNCH_KEY)[\"']?\s*[:=]\s*[\"']?)"
    r"[^\s\"'<>;,…]+",
    re.IGNORECASE,
)
#: A user's name and password in a URL, as in a proxy's.
_USER = re.compile(r"(?<=://)[^\s/?#\"'<>]*@")
#: A JSON web token: three parts, of which the first is an object.
_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}")
#: 32 or 64 bytes in base64: keys of ours and of storage accounts. (Hex digits are digests.)
_KEY = re.compile(r"(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{86}==)(?![A-Za-z0-9+/=])")
#: One of these is in whatever a pattern matches: a key's end and a parameter, a query, a URL with a
#: user, what is encoded, headers' schemes, a token, and names that a colon and a value may follow.
_MARKS = (
    "=", "?", "://", "%3d", "bearer", "sharedkey", "eyj", "accountkey", "sharedaccesssignature",
    "password", "client_secret", "access_token", "refresh_token", "launchkey", "launch_key",
)  # fmt: skip
#: What a run of blanks and line ends becomes.
_BLANKS = re.compile(r"[ \t\r\n\v\f\x1c-\x1f\x85\u2028\u2029]+")
#: Control, format (bidirectional overrides, invisible ones) and lone surrogates.
_ACTING = frozenset({"Cc", "Cf", "Cs"})
_INSTEAD = "\N{REPLACEMENT CHARACTER}"


def without_query(url: str) -> str:
    """Return *url* up to its query, which is where a SAS is."""
    return url.split("?", 1)[0]


def without_secrets(text: str) -> str:
    """Return *text* without URLs' queries and users, signatures, keys and tokens."""
    if _is_plain(text):
        return text
    text = _SIGNATURE.sub(r"\1\2…", _QUERY.sub("?…", _USER.sub("…@", text)))
    return _KEY.sub("…", _TOKEN.sub("…", _NAMED.sub(r"\1…", text)))


def _is_plain(text: str) -> bool:
    """Tell whether none of the patterns can match: so it is with nearly all that is shown.

    Only in ASCII letters are what they look like: beyond it some count as others where case is
    ignored.
    """
    lowered = text.lower()
    return text.isascii() and not any(mark in lowered for mark in _MARKS)


def shown(text: str) -> str:
    """Return *text* on one line, without secrets and without characters that act."""
    if text.isprintable() and "  " not in text and _is_plain(text):
        return text
    # Once before, since a secret may be cut in two by what is taken out, and once after it.
    return without_secrets(_harmless(_BLANKS.sub(" ", without_secrets(text))))


def shown_lines(text: str) -> str:
    """Return *text* as `shown` does, but on as many lines as it has."""
    return "\n".join(shown(line) for line in text.split("\n"))


def _harmless(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(_INSTEAD if unicodedata.category(one) in _ACTING else one for one in text)

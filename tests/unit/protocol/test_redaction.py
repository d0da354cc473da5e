"""What others wrote is shown without secrets and without characters that act on the reader."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.protocol import shown, shown_lines
from vmbackup_core.redaction import without_secrets

KEY = base64.b64encode(bytes(range(32))).decode()
ACCOUNT_KEY = base64.b64encode(bytes(range(64))).decode()
TOKEN = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwcyJ9.c2lnbmF0dXJl"  # noqa: S105 - nobody's


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        pytest.param("GET https://a.b/c?sv=1&sig=AbC%3D said no", "AbC", id="query"),
        pytest.param("torn: &sig=AbC&x", "AbC", id="torn query"),
        pytest.param("u=https%3A%2F%2Fa%3Fsig%3DAbCd", "AbCd", id="encoded into another"),
        pytest.param("a sig\n=AbCd=", "\n", id="line end"),
        pytest.param(f"key {KEY} is wrong", KEY, id="launch key"),
        pytest.param(f"AccountKey={ACCOUNT_KEY};x", ACCOUNT_KEY, id="account key"),
        pytest.param(f"Authorization: Bearer {TOKEN}", TOKEN, id="bearer"),
        pytest.param(f"got {TOKEN}", TOKEN.split(".")[1], id="token alone"),
        pytest.param('{"client_secret": "hunter2"}', "hunter2", id="client secret"),
        pytest.param("proxy http://user:hunter2@proxy:8080/ said no", "hunter2", id="password"),
        pytest.param("https://hunter2@host/a", "hunter2", id="user"),
        pytest.param("si\u200bg=AbCd s\u200big=AbCd", "\u200b", id="invisible"),
    ],
)
def test_no_secret_is_shown(text: str, secret: str) -> None:
    assert secret not in shown(text)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        pytest.param("a\r\nb", "a b", id="line ends"),
        pytest.param("\x1b[2Ja", "\ufffd[2Ja", id="escape"),
        pytest.param("\x9b2Ja", "\ufffd2Ja", id="C1"),
        pytest.param("a\u202eb", "a\ufffdb", id="bidirectional override"),
        pytest.param("a\u2066b\u200fc", "a\ufffdb\ufffdc", id="isolates and marks"),
        pytest.param("a\u2028b\x85c", "a b c", id="other line ends"),
        pytest.param("a\x00b\x7f", "a\ufffdb\ufffd", id="NUL and DEL"),
        pytest.param("a\ud800b", "a\ufffdb", id="half a surrogate"),
        pytest.param("a\U000e0041b", "a\ufffdb", id="tag characters"),
    ],
)
def test_nothing_that_acts_is_shown(text: str, safe: str) -> None:
    assert shown(text) == safe


@pytest.mark.parametrize(
    "text",
    [
        "manifest 7f3a…: 12 blocks listed, 11 stored",
        "https://registry/image@sha256:0123 and a@b.example",
        "sha256 " + "0123456789abcdef" * 4,
        "/subscriptions/1/resourceGroups/prod/providers/Microsoft.Compute/disks/web-01",
        "is it running? look at it",
        "größer als 5 GiB → nein",
        "",
    ],
)
def test_what_is_harmless_is_shown_as_it_is(text: str) -> None:
    assert shown(text) == text


def test_lines_stay_lines_where_a_traceback_is_shown() -> None:
    assert shown_lines("a\n  b?sig=c\r\n\x1bd") == "a\n b?sig=… \n\ufffdd".replace("?sig=…", "?…")


@given(st.text())
def test_what_was_filtered_once_stays_as_it_is(text: str) -> None:
    assert shown(shown(text)) == shown(text)


#: What secrets are made of, and what only looks like it; letters beyond ASCII count where case is
#: ignored (the long s, the Kelvin sign).
PIECES = (
    "sig=", "SIG%3Dabc", "?a=b", "https://u:p@h/", "bearer ", "Bearer " + "x" * 20, "eyJ", "k" * 43,
    "k" * 43 + "=", "SharedKey " + "y" * 16, "\N{LATIN SMALL LETTER LONG S}haredkey " + "z" * 16,
    "password: ", "accountkey=", 'launchKey": "', "VMBACKUP_LAUNCH_KEY :", "client_secret:", "://",
    "to\N{KELVIN SIGN}en", " ", "\t", "worker w-1", ".", "/", "%3F", "&se=1", "\x1b", "…",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_a_text_that_is_passed_over_quickly_would_have_passed_all_patterns(text: str) -> None:
    """Behind a letter beyond ASCII every pattern is tried."""
    assert without_secrets(f"é {text}") == f"é {without_secrets(text)}"

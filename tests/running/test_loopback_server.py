"""A server of a test says nothing of a client that went away, and all of a bug of its own."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

import pytest

from tests.loopback_server import LoopbackServer


@pytest.mark.parametrize("error", [ConnectionResetError, BrokenPipeError, ConnectionAbortedError])
def test_a_client_that_went_away_is_not_told(
    error: type[Exception], capfd: pytest.CaptureFixture[str]
) -> None:
    assert told(error(104, "Connection reset by peer"), capfd) == ""


def test_a_bug_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert "KeyError: 'a bug'" in told(KeyError("a bug"), capfd)


def told(error: Exception, capfd: pytest.CaptureFixture[str]) -> str:
    """Return what is printed where a handler ends with *error*."""
    with LoopbackServer(BaseHTTPRequestHandler) as server:
        try:
            raise error
        except type(error):
            server.handle_error(None, ("127.0.0.1", 1))
    return capfd.readouterr().err

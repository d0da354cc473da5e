"""Entra ID's refusals, in the shape that every sign-in library reads."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

from aiohttp import web

#: Where Entra ID answers from.
AUTHORITY = "https://login.microsoftonline.com"


@dataclass(frozen=True)
class Refusal(Exception):
    """An answer in Entra ID's error shape; *number* is the one after AADSTS."""

    status: int
    error: str
    number: int
    message: str

    def response(self) -> web.Response:
        """Return it with a trace id, as Entra ID does."""
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        description = (
            f"AADSTS{self.number}: {self.message} Trace ID: {trace} "
            f"Correlation ID: {correlation} Timestamp: {stamp}"
        )
        body = {
            "error": self.error,
            "error_description": description,
            "error_codes": [self.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{AUTHORITY}/error?code={self.number}",
        }
        return web.json_response(body, status=self.status)

"""The certificate authority that signs for Azure's names, and the TLS contexts that use it."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import trustme


class Authority:
    """An authority made at start, and one server certificate for each family of names."""

    def __init__(self) -> None:
        self._ca = trustme.CA(
            organization_name="Azure simulator", organization_unit_name="loopback only"
        )
        self._contexts: dict[str, ssl.SSLContext] = {}

    @property
    def pem(self) -> bytes:
        """The authority's own certificate, for clients' trust stores."""
        pem: bytes = self._ca.cert_pem.bytes()
        return pem

    def context_for(self, name: str) -> ssl.SSLContext:
        """Return a server context whose certificate is good for *name*."""
        covering = certificate_name(name)
        if covering not in self._contexts:
            context = _server_context()
            self._ca.issue_cert(covering).configure_cert(context)
            self._contexts[covering] = context
        return self._contexts[covering]


def certificate_name(name: str) -> str:
    """Return the name on the certificate that serves *name*: Azure has wildcards for accounts.

    >>> certificate_name("acct.blob.core.windows.net")
    '*.blob.core.windows.net'
    >>> certificate_name("management.azure.com")
    'management.azure.com'
    """
    first, _, rest = name.partition(".")
    return f"*.{rest}" if first and rest.count(".") >= 2 else name  # noqa: PLR2004 - below a family


def choosing_context(choose: Callable[[str | None], ssl.SSLContext | None]) -> ssl.SSLContext:
    """Return a context for one connection that asks *choose* which to go on with.

    *choose* gets the name that the client asked for, in lower case; where it returns None the
    handshake ends with an alert, before any certificate was shown.
    """
    context = _server_context()

    def on_name(
        tls: ssl.SSLSocket | ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        chosen = choose(name.lower() if name else None)
        if chosen is None:
            return ssl.AlertDescription.ALERT_DESCRIPTION_ACCESS_DENIED
        tls.context = chosen
        return None

    context.sni_callback = on_name
    return context


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

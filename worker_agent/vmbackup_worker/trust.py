"""Whom the agent trusts over TLS: the machine's own certificate store, for every client alike.

The Azure SDK's transport brings a list of CAs along, so that a private CA that the machine trusts
would be refused unless each client is told.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

#: The store of Debian and Ubuntu, as `update-ca-certificates` writes it.
UBUNTU_STORE = "/etc/ssl/certs/ca-certificates.crt"


def ca_file() -> str | None:
    """Return the file of CAs that this machine trusts; None leaves each client to its own list."""
    named = ssl.get_default_verify_paths().cafile  # SSL_CERT_FILE, else OpenSSL's own
    for candidate in (os.environ.get("SSL_CERT_FILE"), UBUNTU_STORE, named):
        if candidate and Path(candidate).is_file():
            return candidate
    return None


def tls_context() -> ssl.SSLContext:
    """Return a context that verifies against `ca_file`."""
    return ssl.create_default_context(cafile=ca_file())

"""The name under which OpenSSL looks for a certificate in a folder of trusted ones."""

from __future__ import annotations

import hashlib

from cryptography import x509

#: DER's tag, and the longest length that fits its first octet.
_SHORT_LENGTH = 0x80


def subject_hash(pem: bytes) -> str:
    """Return eight hexadecimal digits: Ubuntu's store has ``<hash>.0`` for each authority.

    OpenSSL hashes the subject with its values in lower case, blanks squeezed, and without the
    outermost DER header.
    """
    subject = x509.load_pem_x509_certificate(pem).subject
    canonical = x509.Name(
        x509.RelativeDistinguishedName(
            x509.NameAttribute(attribute.oid, " ".join(str(attribute.value).lower().split()))
            for attribute in part
        )
        for part in subject.rdns
    ).public_bytes()
    digest = hashlib.sha1(_content(canonical), usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _content(der: bytes) -> bytes:
    length = der[1]
    return der[2:] if length < _SHORT_LENGTH else der[2 + (length & ~_SHORT_LENGTH) :]

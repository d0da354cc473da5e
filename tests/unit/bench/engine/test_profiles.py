"""What perf reports by library is told by what the library does."""

from __future__ import annotations

import pytest

from tools.bench.engine.profiles import OTHERS, kind_of, percent_by_kind

REPORT = """
# To display the perf.data header info, please use --header/--header-only options.
#
# Overhead  Shared Object
# ........  .........................................
#
    40.55%  libpython3.11.so.1.0
    29.18%  backend_c.cpython-311-x86_64-linux-gnu.so
    20.00%  blake3.cpython-311-x86_64-linux-gnu.so
     3.22%  libc.so.6
     3.00%  [kernel.kallsyms]
     2.15%  libcrypto.so.3
     1.64%  _rust.abi3.so
     0.21%  _datetime.cpython-311-x86_64-linux-gnu.so
     0.05%  something
"""


def test_libraries_of_one_kind_are_added_up_the_largest_first() -> None:
    assert list(percent_by_kind(REPORT).items()) == [
        ("Python's interpreter and modules, start-up among it", 40.8),
        ("zstd", 29.2),
        ("BLAKE3", 20.0),
        ("C library: copies, memory", 3.2),
        ("kernel: sockets, files, page faults", 3.0),
        ("OpenSSL: TLS, SHA-256", 2.1),
        ("AES-GCM", 1.6),
        (OTHERS, 0.1),
    ]


@pytest.mark.parametrize(
    ("library", "kind"),
    [
        ("_zstd.cpython-314-x86_64-linux-gnu.so", "zstd"),
        ("_ssl.cpython-311-x86_64-linux-gnu.so", "OpenSSL: TLS, SHA-256"),
        ("python3.11", "Python's interpreter and modules, start-up among it"),
        ("ld-linux-x86-64.so.2", "C library: copies, memory"),
        ("[vdso]", "kernel: sockets, files, page faults"),
    ],
)
def test_a_library_is_told_as_what_it_does(library: str, kind: str) -> None:
    assert kind_of(library) == kind

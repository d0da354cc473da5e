"""Where processor time goes on each path, by library: ``python -m tools.bench.engine.profiles``.

Full, incremental, restore and check, each as a whole process under `perf`; what is found goes to
``build/bench/profiles.json``. Where there is no perf, or it may not look, that is said.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tools.bench.engine.images import FIRST, SECOND, images
from tools.bench.engine.ours import Ours, Refused
from tools.bench.engine.report import tables
from tools.bench.engine.repository import Disk
from tools.bench.engine.scratch import KEPT, scratch_folder
from tools.bench.engine.source import source

RESULT: Final = KEPT / "profiles.json"
#: No multiple of what anything else does in a second.
_SAMPLES_A_SECOND: Final = 97

#: What a library's file is called, and what it is told as; the first that fits.
KINDS: Final[Sequence[tuple[str, str]]] = (
    (r"zstd|backend_c", "zstd"),
    (r"blake3", "BLAKE3"),
    (r"_rust\.abi3", "AES-GCM"),
    (r"libcrypto|libssl|^_ssl\.|^_hashlib\.", "OpenSSL: TLS, SHA-256"),
    (r"^\[|\.ko$|kernel", "kernel: sockets, files, page faults"),
    (r"^(libc|libpthread|libm|ld-linux)[.-]", "C library: copies, memory"),
    (r"python|cpython|\.so", "Python's interpreter and modules, start-up among it"),
)
OTHERS: Final = "others"


class NoPerf(Exception):
    """perf is not here, or may not look."""


def kind_of(library: str) -> str:
    """Return what a library is told as."""
    return next((kind for name, kind in KINDS if re.search(name, library)), OTHERS)


def percent_by_kind(report: str) -> dict[str, float]:
    """Return the shares in what `perf report --sort dso` says, the largest first."""
    shares: dict[str, float] = {}
    for percent, library in re.findall(r"^\s+(\d+\.\d+)%\s+(\S+)", report, re.MULTILINE):
        kind = kind_of(library)
        shares[kind] = shares.get(kind, 0) + float(percent)
    found = sorted(shares.items(), key=lambda each: -each[1])
    return {kind: round(share, 1) for kind, share in found}


class _Profiled:
    """Has ours run under perf, and says what was found of the path just taken."""

    def __init__(self, ours: Ours, scratch: Path) -> None:
        self._ours = ours
        self._data = scratch / "perf.data"
        ours.under = [_perf(), "record", "--quiet", "-e", "cpu-clock", "-F", str(_SAMPLES_A_SECOND)]
        ours.under += ["-o", str(self._data), "--"]

    def found(self, cpu_s: float) -> Mapping[str, object]:
        command = [_perf(), "report", "-i", str(self._data), "--sort", "dso", "--stdio"]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return {"cpu_s": round(cpu_s, 2), "percent": percent_by_kind(told)}


def _perf() -> str:
    found = shutil.which("perf")
    if found is None:
        raise NoPerf("perf is not on PATH: it comes with the package linux-perf")
    return found


def measure() -> dict[str, Any]:
    """Return each path's processor time and where it went; raise NoPerf."""
    _try_perf()
    made = images()
    paths: dict[str, object] = {}
    not_measured: dict[str, str] = {}
    with scratch_folder() as scratch, source(scratch) as exports:
        exports.show(FIRST, made.first)
        exports.show(SECOND, made.second)
        exports.show_changes(SECOND, made.extents(), FIRST)
        ours = Ours(exports, scratch / "ours")
        profiled = _Profiled(ours, scratch)
        size_bytes = made.kind.size_bytes
        first, second = exports.url(FIRST), exports.url(SECOND)
        full = ours.back_up([Disk("disk", first, size_bytes)])
        paths["full"] = profiled.found(full.cost.cpu_s)
        base = ours.repository.manifest_of(full.committed[0])
        try:
            later = ours.back_up([Disk("disk", second, size_bytes, first, base)])
            paths["incremental"] = profiled.found(later.cost.cpu_s)
        except Refused as refused:
            not_measured["incremental"] = str(refused)
        restore = ours.restore("disk", scratch / "restored.img")
        paths["restore"] = profiled.found(restore.cpu_s)
        paths["check"] = profiled.found(ours.check().cpu_s)
    return {"samples_a_second": _SAMPLES_A_SECOND, "paths": paths, "not_measured": not_measured}


def _try_perf() -> None:
    command = [_perf(), "stat", "-e", "cpu-clock", "true"]
    tried = subprocess.run(command, check=False, capture_output=True, text=True)
    if tried.returncode:
        raise NoPerf(f"perf may not look: {tried.stderr.strip()[-300:]}")


def main() -> int:
    """Profile every path, keep it, and print it as a table."""
    try:
        found = measure()
    except NoPerf as missing:
        print(f"not profiled: {missing}", file=sys.stderr)
        return 1
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    print(tables.profiles(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

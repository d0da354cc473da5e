"""Starts one program and writes what it took: a program of its own, for the sake of its size.

What the system says of a child's memory is never less than what its parent had as it was started.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> int:
    """Run ``launcher.py RESULT PROGRAM [ARGUMENT ...]`` and return how the program ended."""
    _, result, *command = sys.argv
    began = time.monotonic()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(process, 0)
    took = {
        "s": time.monotonic() - began,
        "cpu_s": used.ru_utime + used.ru_stime,
        "rss_mb": used.ru_maxrss * 1024 / 1e6,
    }
    with open(result, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is 2 MB more
        json.dump(took, file)
    return os.waitstatus_to_exitcode(status) & 0xFF


if __name__ == "__main__":
    sys.exit(main())

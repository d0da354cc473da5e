"""`python -m tools.kubelet`: fetches what a node needs beside the kubelet.

Exit code 69 says that what is locked can't be fetched here, any other but 0 that it failed.
"""

from __future__ import annotations

import argparse
import sys

from tools.image.apt import NOT_TO_BE_HAD, NotToBeHad
from tools.kubelet.packages import CONTAINERD, LOCK, locked_anew


def main() -> None:
    """Fetch what is locked, or write the lock anew."""
    parser = argparse.ArgumentParser(prog="python -m tools.kubelet", description=__doc__)
    parser.add_argument("--lock", action="store_true", help="write the lock of what there is today")
    if parser.parse_args().lock:
        LOCK.write_text(locked_anew())
        return
    try:
        print(f"  containerd and runc: {CONTAINERD.path()}")
    except NotToBeHad as error:
        print(error, file=sys.stderr)
        sys.exit(NOT_TO_BE_HAD)


if __name__ == "__main__":
    main()

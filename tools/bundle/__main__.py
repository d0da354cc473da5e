"""`python -m tools.bundle`: builds the agent's bundle and says what is in it."""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.bundle.build import MACHINES, build


def main() -> None:
    """Build the bundle that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tools.bundle", description=__doc__)
    parser.add_argument("--python", default="3.10", help="the Python of the worker's image")
    parser.add_argument(
        "--machine", default="x86_64", choices=MACHINES, help="the worker's processor"
    )
    parser.add_argument("--out", type=Path, default=Path("build/bundle"), help="made anew")
    options = parser.parse_args()
    built = build(options.python, options.out, options.machine)
    size = sum(file.size_bytes for file in built.files)
    print(f"{options.out}: bundle {built.id} for Python {built.python}, {built.platform}, "
          f"{len(built.files)} files, {size / 2**20:.1f} MiB")  # fmt: skip


main()

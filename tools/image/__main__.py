"""`python -m tools.image`: builds the image into build/image and says what it weighs.

Exit code 69 says that what is locked can't be fetched here, any other but 0 that building failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tools.image.apt import NOT_TO_BE_HAD, NotToBeHad
from tools.image.build import LAYOUT, MADE_FROM, build, inputs
from tools.image.layout import index_digest
from tools.local_cloud.toolchains import ROOT

OUT = ROOT / "build" / "image"


def main() -> None:
    """Build the image, where there is none of what lies in the checkout."""
    parser = argparse.ArgumentParser(prog="python -m tools.image", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="made anew")
    out: Path = parser.parse_args().out
    made_from = out / MADE_FROM
    if made_from.is_file() and made_from.read_text() == inputs():
        print(f"{out / LAYOUT}: {index_digest(out / LAYOUT)}, of what lies in the checkout")
        return
    began = time.monotonic()
    try:
        built = build(out, lambda what: print(f"  {what} …", flush=True))
    except NotToBeHad as error:
        print(error, file=sys.stderr)
        sys.exit(NOT_TO_BE_HAD)
    for architecture, sizes in built.sizes.items():
        megabytes = " + ".join(f"{size / 1e6:.1f}" for size in sizes)
        print(f"  {architecture}: {megabytes} = {sum(sizes) / 1e6:.1f} MB compressed")
    print(f"{out / LAYOUT}: {built.digest} ({time.monotonic() - began:.0f} s)")


main()

"""The image of this checkout, where somebody has built it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.image.build import LAYOUT, MADE_FROM, inputs
from tools.local_cloud.toolchains import ROOT

IMAGE = ROOT / "build" / "image"


def built_layout() -> Path:
    """Return the image's layout, or skip the test where there is none of what lies here."""
    if not (IMAGE / MADE_FROM).is_file():
        pytest.skip("the image is not built: `make image` builds it")
    if (IMAGE / MADE_FROM).read_text() != inputs():
        pytest.skip("the image was built from other files than lie here: `make image` builds it")
    return IMAGE / LAYOUT

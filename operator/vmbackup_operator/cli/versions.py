"""Which version of the product this is, and which format of repositories it reads."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from vmbackup_core.repository.primitives.outer import FORMAT, REVISION


def versions() -> str:
    """Return both in one line."""
    try:
        product = version("vmbackup")
    except PackageNotFoundError:  # run from its source, with nothing installed
        product = "unreleased"
    return f"vmbackup {product}, repository format {FORMAT}.{REVISION}"

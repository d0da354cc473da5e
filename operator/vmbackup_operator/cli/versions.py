"""Which version of the product this is, and which format of repositories it reads."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from vmbackup_core.repository.primitives.outer import FORMAT, REVISION


def product() -> str:
    """Return the product's version."""
    try:
        return version("vmbackup")
    except PackageNotFoundError:  # run from its source, with nothing installed
        return "unreleased"


def versions() -> str:
    """Return both in one line."""
    return f"vmbackup {product()}, repository format {FORMAT}.{REVISION}"

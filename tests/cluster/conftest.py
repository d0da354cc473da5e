"""One real control plane for all tests of this folder; each test has a namespace of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.local_cloud.control_plane import ControlPlane, control_plane

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    with control_plane() as running:
        yield running


@pytest.fixture(scope="session")
def served(plane: ControlPlane) -> ControlPlane:
    """The control plane with our CRDs."""
    plane.install_crds(ROOT / "crds")
    return plane


@pytest.fixture
def namespace(plane: ControlPlane) -> str:
    name = f"test-{uuid.uuid4().hex[:10]}"
    plane.administrator.kubectl("create", "namespace", name)
    return name

"""The agent's bundle: everything that goes into a worker VM, built so that the same is the same."""

from __future__ import annotations

from tools.bundle.build import build

__all__ = ["build"]

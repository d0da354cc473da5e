"""The agent: what ships into a worker VM and moves the data there."""

from __future__ import annotations

#: The agent's version, in its hello; a test compares it with the distribution's.
VERSION = "0.1.0"

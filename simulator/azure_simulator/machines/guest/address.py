"""Where ``systemctl`` finds the service manager."""

from __future__ import annotations

SOCKET = "/run/systemd/private"

"""What a container's probes have said since it was started: started, ready, or to be restarted.

All of it goes by the times that are passed in; who asks over the network is somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tools.nodeagent.pods import Probe, ProbeName


@dataclass(slots=True)
class _Asked:
    """One probe: when it is asked next, how it was answered in a row, and what it counts as."""

    probe: Probe
    due: float
    passes: bool = False
    passed_in_row: int = 0
    failed_in_row: int = 0

    @property
    def fails(self) -> bool:
        return self.failed_in_row >= self.probe.failure_threshold

    def record(self, *, passed: bool, now: float) -> None:
        self.due = now + self.probe.period_s
        self.passed_in_row = self.passed_in_row + 1 if passed else 0
        self.failed_in_row = 0 if passed else self.failed_in_row + 1
        if self.passed_in_row >= self.probe.success_threshold:
            self.passes = True
        elif self.fails:
            self.passes = False


@dataclass(slots=True)
class Health:
    """The probes of a container that was started at *began*."""

    probes: Mapping[ProbeName, Probe]
    began: float
    _asked: dict[ProbeName, _Asked] = field(init=False)

    def __post_init__(self) -> None:
        self._asked = {
            name: _Asked(probe, self.began + probe.initial_delay_s)
            for name, probe in self.probes.items()
        }

    @property
    def is_started(self) -> bool:
        """Tell whether the startup probe has passed, or there is none."""
        return "startupProbe" not in self._asked or self._asked["startupProbe"].passes

    @property
    def is_ready(self) -> bool:
        """Tell whether the container has started, and its readiness probe passes if it has one."""
        probed = "readinessProbe" in self._asked
        return self.is_started and (not probed or self._asked["readinessProbe"].passes)

    @property
    def must_restart(self) -> bool:
        """Tell whether the startup or the liveness probe has failed as often as it may."""
        deciding: tuple[ProbeName, ...] = ("startupProbe", "livenessProbe")
        return any(name in self._asked and self._asked[name].fails for name in deciding)

    def due(self, now: float) -> list[ProbeName]:
        """Return the probes to be asked: the startup probe alone until it has passed."""
        names: list[ProbeName] = (
            ["livenessProbe", "readinessProbe"] if self.is_started else ["startupProbe"]
        )
        return [name for name in names if name in self._asked and self._asked[name].due <= now]

    def record(self, name: ProbeName, *, passed: bool, now: float) -> None:
        """Take down how a probe was answered."""
        self._asked[name].record(passed=passed, now=now)

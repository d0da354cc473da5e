"""What this process has asked of Azure Resource Manager: counted as it is sent, by any thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from vmbackup_operator.metrics.families import Sample

#: What a request came to that Azure never answered.
UNREACHED = "unreached"
_TOO_MANY = 429


def code_of(status: int) -> str:
    """Return an answer's status as the label has it: its class, or 429 by itself."""
    return str(status) if status == _TOO_MANY else f"{status // 100}xx"


@dataclass(slots=True)
class ArmCounts:
    """Requests by class and answer, and waits by class: reads, writes and deletes."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    waited_s: dict[str, float] = field(default_factory=dict)

    def sent(self, class_: str, code: str) -> None:
        """Count a request that was sent."""
        self.requests[class_, code] += 1

    def waits_for(self, class_: str) -> None:
        """Count a request for which there was no room."""
        self.waits[class_] += 1

    def waited(self, class_: str, seconds: float) -> None:
        """Count for how long a request has waited."""
        self.waited_s[class_] = self.waited_s.get(class_, 0.0) + seconds

    def told(self) -> Iterator[Sample]:
        """Yield what was counted."""
        for labels, number in self.requests.items():
            yield Sample("vmbackup_arm_requests", number, labels)
        for class_, number in self.waits.items():
            yield Sample("vmbackup_arm_throttle_waits", number, (class_,))
        for class_, seconds in self.waited_s.items():
            yield Sample("vmbackup_arm_throttle_wait_seconds", seconds, (class_,))

"""When a container that has ended is started again, if at all."""

from __future__ import annotations

from dataclasses import dataclass

from tools.nodeagent.pods import RestartPolicy

#: The kubelet's: at once after the first end, then doubled up to five minutes; forgotten once a
#: container has run for ten.
FIRST_S, MOST_S, FORGOTTEN_S = 10.0, 300.0, 600.0


def is_restarted(policy: RestartPolicy, exit_code: int) -> bool:
    """Tell whether a container that ended with *exit_code* is started again."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


@dataclass(slots=True)
class BackOff:
    """How long the next start of a container waits."""

    _ends: int = 0

    def next_s(self, ran_s: float) -> float:
        """Return how long to wait now that a container has ended which had run for *ran_s*."""
        if ran_s >= FORGOTTEN_S:
            self._ends = 0
        self._ends += 1
        return 0.0 if self._ends == 1 else float(min(FIRST_S * 2 ** (self._ends - 2), MOST_S))

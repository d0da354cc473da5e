"""How often a worker's events queue is asked; pure."""

from __future__ import annotations

#: Where an answer is awaited, and otherwise: as often as a heartbeat comes.
AWAITED_S = 2.0
HEARTBEAT_S = 15.0
#: All awaited queues together are asked at most this often in a second, as long as each is asked
#: every 30 s: an empty poll costs 1.2 ms of processor time. By then a worker has said no more than
#: a queue hands out at once, and its newest heartbeat has not passed.
MOST_PER_S = 20.0
LONGEST_S = 30.0


def pause_s(*, awaited: bool, awaited_in_all: int) -> float:
    """Return how long to wait before a queue is asked again."""
    if not awaited:
        return HEARTBEAT_S
    return min(LONGEST_S, max(AWAITED_S, awaited_in_all / MOST_PER_S))

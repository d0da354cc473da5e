"""What the log says, entry by entry, and the condition of each entry [15], [30]."""

from collections import Counter
from typing import Any

from .ciphers import NotUnderstood, need
from .shapes import ENTRIES, MANY, Json, fits


class Facts:
    """What the log says, entry by entry."""

    def __init__(self, master_ids: dict[int, str]) -> None:
        self.master_ids = master_ids  # of each header that is there
        self.counted: dict[tuple[str, str], Json] = {}
        self.expiring: dict[Any, Json] = {}
        self.bad: dict[tuple[str, str, str], list[int] | None] = {}
        self.healing: dict[str, Json] = {}
        self.dropped: list[Json] = []
        self.successors: dict[str, Json] = {}
        self.keys: dict[str, str] = {}
        self.epochs: list[Json] = []
        self.owner: str | None = None
        self.highest: dict[str, int] = {}
        self.proven: dict[Any, Json] = {}
        self.rebuilt: list[str] = []
        self.kinds: Counter[str] = Counter()

    def shown(self) -> Json:
        """All of it in an order that does not depend on how it was read."""
        return {
            "counted": sorted("/".join(key) for key in self.counted),
            "expiring": sorted(map(str, self.expiring)),
            "bad": sorted([*key, parts] for key, parts in self.bad.items()),
            "healing": sorted([key, entry["phase"]] for key, entry in self.healing.items()),
            "dropped": sorted(
                [one["what"], one["chain"], one["slot"], one["session"]] for one in self.dropped
            ),
            "successors": {
                chain: one["successor"] for chain, one in sorted(self.successors.items())
            },
            "keys": dict(sorted(self.keys.items())),
            "epoch": [[one["epoch"], one["ended"]] for one in self.epochs[-1:]],
            "owner": self.owner,
            "highest": dict(sorted(self.highest.items())),
        }

    def slots_of(self, entries: Any) -> set[tuple[str, int]]:
        return {(disk["chain"], disk["slot"]) for entry in entries for disk in entry["disks"]}

    def apply(self, entry: Json, *, trusted: bool = False) -> bool:
        """Take an entry; whether its condition [30] held. One of a state is taken as it is."""
        kind = entry["kind"]
        if not trusted and not getattr(self, f"may_{kind}", lambda _: True)(entry):
            return False
        for one in [entry, *entry.get("disks", [])]:
            if isinstance(slot := one.get("slot"), int):
                self.highest[one["chain"]] = max(slot, self.highest.get(one["chain"], 0))
        getattr(self, f"take_{kind}")(entry)
        self.kinds[kind if "phase" not in entry else f"{kind} {entry['phase']}"] += 1
        return True

    def may_recorded(self, entry: Json) -> bool:
        slots = self.slots_of([entry])
        gone = {(one["chain"], one["slot"]) for one in self.dropped} | self.slots_of(
            self.expiring.values()
        )
        taken = self.slots_of(self.counted.values())
        return (entry["vm"], entry["run"]) not in {*self.counted, *self.expiring} and not slots & (
            gone | taken
        )

    def take_recorded(self, entry: Json) -> None:
        self.counted[entry["vm"], entry["run"]] = entry

    def key_of(self, entry: Json) -> Any:
        return (entry["vm"], entry["run"]) if entry["vm"] else tuple(sorted(self.slots_of([entry])))

    def may_expiring(self, entry: Json) -> bool:
        key, slots = self.key_of(entry), self.slots_of([entry])
        if entry["phase"] == "done":
            return key in self.expiring
        if entry["vm"]:
            return key in self.counted and self.slots_of([self.counted[key]]) == slots
        return not slots & (
            self.slots_of(self.counted.values()) | self.slots_of(self.expiring.values())
        )

    def take_expiring(self, entry: Json) -> None:
        self.counted.pop(self.key_of(entry), None)
        if entry["phase"] == "begun":
            self.expiring[self.key_of(entry)] = entry
        else:
            self.expiring.pop(self.key_of(entry), None)

    def take_bad(self, entry: Json) -> None:
        key, parts = (entry["chain"], entry["object"], entry["id"]), entry["parts"]
        before = self.bad.get(key, [])
        self.bad[key] = None if parts is None or before is None else sorted({*before, *parts})

    def is_dropped(self, session: str) -> bool:
        return any(one["session"] == session for one in self.dropped if one["what"] == "healing")

    def may_healed(self, entry: Json) -> bool:
        session = entry["session"]
        if entry["phase"] == "begun":
            return session not in self.healing and not self.is_dropped(session)
        before = self.healing.get(session)
        return before is not None and before["phase"] == "begun" and not self.is_dropped(session)

    def take_healed(self, entry: Json) -> None:
        self.healing[entry["session"]] = entry

    def may_dropped(self, entry: Json) -> bool:
        if entry["what"] != "healing":
            return True
        before = self.healing.get(entry["session"])
        return before is not None and bool(before["phase"] == "begun")

    def take_dropped(self, entry: Json) -> None:
        self.dropped.append(entry)

    def may_begunAnew(self, entry: Json) -> bool:  # noqa: N802
        return entry["chain"] not in self.successors

    def take_begunAnew(self, entry: Json) -> None:  # noqa: N802
        self.successors[entry["chain"]] = entry

    def take_key(self, entry: Json) -> None:
        self.keys[entry["fingerprint"]] = entry["action"]

    def may_epoch(self, entry: Json) -> bool:
        before: Json = self.epochs[-1] if self.epochs else {"epoch": 1, "ended": []}
        if entry["epoch"] == before["epoch"]:
            return set(entry["ended"]) > set(before["ended"])
        master_id = self.master_ids.get(entry["epoch"], entry["masterId"])
        return bool(entry["epoch"] > before["epoch"] and entry["masterId"] == master_id)

    def take_epoch(self, entry: Json) -> None:
        self.epochs.append(entry)

    def take_claimed(self, entry: Json) -> None:
        self.owner = entry["appliance"]

    def take_proven(self, entry: Json) -> None:
        self.proven[entry["chain"], entry["what"], entry["slot"]] = entry

    def take_rebuilt(self, entry: Json) -> None:
        self.rebuilt.append(entry["lost"])


def check_entry(entry: Any, kind: str | None = None) -> bool:
    """Whether an entry is known; one that is not is passed over where it says so."""
    need(isinstance(entry, dict), "an entry that is no object")
    kind = kind or entry.get("kind")
    if kind in ENTRIES:
        need(fits(ENTRIES[kind], entry), f"a field of {kind} is missing or of another type")
        if kind == "bad":
            need(entry["parts"] is None or fits(["number", MANY], entry["parts"]), "parts of bad")
        return True
    need(
        isinstance(kind, str) and isinstance(entry.get("mandatory"), bool),
        "an entry without kind or mandatory",
    )
    if entry["mandatory"]:
        raise NotUnderstood(f"entry {kind}")
    return False

"""The objects of the log and their states [15]."""

import re

from .ciphers import Damaged, need
from .facts import Facts, check_entry
from .places import NAMES, log_name, number_of
from .repository import Repository
from .sealed import open_json, sha256
from .shapes import ENTRIES, MANY, SLOT, Json, fields, fits

MIB = 1 << 20
EVERY_STATE = 1_000


class Log:
    """[15, 30] Reads on from the newest state that opens, and from number 1 where that is there."""

    def __init__(self, repository: Repository) -> None:
        self.repository, self.ring, self.control = repository, repository.ring, repository.control
        listed = [(1 << 40) - 1 - number_of(group) for _, (group,) in self.control.found["log"]]
        self.last = max(listed, default=0)
        self.raws: dict[int, bytes] = {}
        self.bodies: dict[int, Json] = {}
        self.master_ids = {epoch: body["masterId"] for epoch, body in repository.headers.items()}
        for number in sorted(listed):
            with repository.look(self.control, log_name(number)):
                self.raws[number] = self.control.read(log_name(number), 8 * MIB)
                self.bodies[number] = self.open(number)
        self.head = sha256(self.raws[self.last]) if self.last in self.raws else None
        state, self.facts = self.newest_state()
        self.read_on(state or 1, self.facts)
        if state and 1 in listed:
            self.compare_from_start(state)

    def open(self, number: int) -> Json:
        body, _ = open_json(self.ring, "LOGO", log_name(number), self.raws[number])
        need(body["number"] == number, "not its name")
        entries = body.get("entries")
        if not isinstance(entries, list) or not 1 <= len(entries) <= 4_096:
            raise Damaged("entries")
        body["entries"] = [entry for entry in entries if check_entry(entry)]
        before = self.raws.get(number - 1)
        if before is not None and body["previous"] != sha256(before):
            self.repository.find(self.control, log_name(number), "previous is another digest")
        state = body.get("state", "missing")
        part = fields("name:text sha256:digest")
        need(fits([part, MANY], state) if number % EVERY_STATE == 0 else state is None, "state")
        return body

    def newest_state(self) -> tuple[int, Facts]:
        for number in range(self.last - self.last % EVERY_STATE, 0, -EVERY_STATE):
            with self.repository.look(self.control, log_name(number)):
                need(number in self.bodies, "a state that does not open")
                return number, self.open_state(number)
        return 0, Facts(self.master_ids)

    def open_state(self, number: int) -> Facts:
        facts = Facts(self.master_ids)
        for index, part in enumerate(self.bodies[number]["state"] or []):
            match = re.fullmatch(NAMES["control"]["state"], part["name"])
            need(
                match and f"l/{match[1]}" == log_name(number) and int(match[3], 16) == index,
                "a part's name",
            )
            raw = self.control.read(part["name"], 8 * MIB)
            need(sha256(raw) == part["sha256"], "a part of another SHA-256")
            body, _ = open_json(self.ring, "STAT", part["name"], raw)
            need((body["number"], body["part"]) == (number, index), "a part of another number")
            self.take_part(body, facts)
        return facts

    def take_part(self, body: Json, facts: Facts) -> None:
        for kind in ENTRIES:
            for entry in body.get(kind, []):
                check_entry(entry, kind)
                facts.apply({**entry, "kind": kind}, trusted=True)
        for one in body.get("highest", []):
            need(fits(SLOT, one), "highest")
            facts.highest[one["chain"]] = max(one["slot"], facts.highest.get(one["chain"], 0))

    def read_on(self, first: int, facts: Facts, end: int | None = None) -> None:
        """Apply the entries of the objects from `first` on; what is not there is damaged."""
        for number in range(first, end or self.last + 1):
            if number not in self.raws:
                self.repository.find(self.control, log_name(number), "missing")
            for entry in self.bodies.get(number, {"entries": []})["entries"]:
                if not facts.apply(entry):
                    self.repository.find(
                        self.control, log_name(number), f"{entry['kind']} breaks its condition"
                    )

    def compare_from_start(self, state: int) -> None:
        """A state tells nothing new: reading from number 1 says the same."""
        facts = Facts(self.master_ids)
        self.read_on(1, facts, state)
        with self.repository.look(self.control, log_name(state)):
            need(
                facts.shown() == self.open_state(state).shown(),
                "its state is not what the objects before it say",
            )

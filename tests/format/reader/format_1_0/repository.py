"""A repository: its two places, its masters [25], its points [13] and holds [14]."""

import hmac
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .ciphers import Damaged, NotUnderstood, need
from .facts import Facts
from .keys import Ring, derive, fingerprint
from .places import Place, number_of
from .sealed import open_header, open_json, open_wrap, sha256
from .shapes import Json, fields, fits

KIB, MIB = 1 << 10, 1 << 20
EXCLUDED = [fields("disk name why:text"), 256]


def check_description(said: Json) -> None:
    """[13] Of what is Azure's a reader bears anything."""
    need(said["schema"] == 1, "a description of another schema")
    need(said["source"] in ("resource-manager", "session"), "a description of another source")
    need(len(said["networkInterfaces"]) <= 64, "more than 64 network interfaces")
    need(fits(EXCLUDED, said.get("excludedDisks", [])), "excluded disks")


class Repository:
    """Both places of a repository, its masters, and all that was found wrong."""

    def __init__(
        self,
        root: Path,
        user_key: bytes,
        wrap: bytes | None = None,
        offline: frozenset[str] = frozenset(),
    ) -> None:
        self.control = Place(root / "control", "control")
        self.data = Place(root / "data", "data", offline)
        self.findings: list[Json] = []
        self.headers: dict[int, Json] = {}
        self.records: Counter[str] = Counter()
        raws = self.read_headers()
        self.ring = self.open_wraps(user_key, wrap)
        for (place, name, epoch), raw in raws.items():
            with self.look(place, name):
                key = self.ring.secret(epoch, "header")
                need(hmac.digest(key, raw[:-32], "sha256") == raw[-32:], "another HMAC")
        for place in (self.control, self.data):
            for name in place.foreign:
                self.find(place, name, "a foreign name")
        for name in self.data.other_copies():
            self.find(self.data, name, "of another size than the pack that it is named after")
        self.facts = Facts({})  # until the log is read

    def find(self, place: Place, name: str, what: object) -> None:
        self.tell(f"{place.kind}:{name}", what)

    def tell(self, found: str, what: object) -> None:
        self.findings.append({"object": found, "what": str(what)})

    @contextmanager
    def look(self, place: Place, name: str) -> Iterator[None]:
        """Make a finding of what is wrong inside."""
        try:
            yield
        except NotUnderstood as failure:
            self.find(place, name, f"not understood: {failure}")
        except Damaged as failure:
            self.tell(failure.place or f"{place.kind}:{name}", failure)

    def read_headers(self) -> dict[tuple[Place, str, int], bytes]:
        """[6] The bytes of each header that is whole; the one in control decides."""
        raws = {}
        for place in (self.data, self.control):
            for name, (digits,) in place.found["header"]:
                with self.look(place, name):
                    raw = place.read(name, 4_200)
                    body, epoch = open_header(raw)
                    need(epoch == int(digits or "1", 16), "of another epoch than its name")
                    self.headers[epoch] = body
                    raws[place, name, epoch] = raw
        return raws

    def open_wraps(self, user_key: bytes, printed: bytes | None) -> Ring:
        """[5, 25] The masters of the wraps that count."""
        ring, mine = Ring(b"", {}, set(self.headers)), fingerprint(user_key).hex()
        opened = [] if printed is None else [open_wrap(printed, user_key)]
        for place in (self.data, self.control):
            for name, (digits, whose) in place.found["wrap"]:
                with self.look(place, name):
                    raw = place.read(name, 152)
                    need(
                        f"{raw[32:36][::-1].hex()}-{raw[40:56].hex()}" == f"{digits}-{whose}",
                        "not its name",
                    )
                    opened += [open_wrap(raw, user_key)] if whose == mine else []
        for repository, epoch, master in opened:
            header = self.headers.get(epoch)
            master_id = derive(master, repository, "master-id")[:16].hex()
            if header is None or (header["masterId"], header["repositoryId"]) == (
                master_id,
                repository.hex(),
            ):
                ring.repository = repository
                ring.masters[epoch] = master
        need(ring.masters, "KeyMismatch: no wrap of this key counts")
        return ring

    def read_holds(self) -> list[Json]:
        return [self.read_hold(name, *groups) for name, groups in self.control.found["hold"]]

    def read_hold(self, name: str, chain: str, slot: str, holder: str) -> Json:
        """[14] What a hold says; it counts by its name alone."""
        hold: Json = {"chain": chain, "slot": number_of(slot), "holder": holder, "purpose": None}
        with self.look(self.control, name):
            body, _ = open_json(self.ring, "HOLD", name, self.control.read(name, 16 * KIB))
            need((body["chainId"], body["slot"]) == (chain, hold["slot"]), "not its name")
            hold["purpose"] = body["purpose"]
        return hold

    def counted_points(self) -> Iterator[tuple[str, str, Json | None]]:
        """[13] VM, run and body of each point that counts, its digest compared with the log's."""
        for (vm, run), entry in sorted(self.facts.counted.items()):
            name, body = f"v/{vm}/{run}", None
            with self.look(self.control, name):
                raw = self.control.read(name, 2 * MIB)
                need(sha256(raw) == entry["sha256"], "another SHA-256 than the log has")
                body = self.open_point(name, raw, vm, run)
                said = [(one["chainId"], one["slot"], one["commitSha256"]) for one in body["disks"]]
                logged = [
                    (one["chain"], one["slot"], one["commitSha256"]) for one in entry["disks"]
                ]
                need(said == logged, "not the disks that the log has")
            yield vm, run, body

    def open_point(self, name: str, raw: bytes, vm: str, run: str) -> Json:
        body, _ = open_json(self.ring, "PONT", name, raw)
        named = {self.ring.name_vm(epoch, body["vmId"]) for epoch in self.ring.masters}
        need(vm in named and run == body["runId"], "not its name")
        need(body["repositoryId"] == self.ring.repository.hex(), "of another repository")
        need(
            len({disk["chainId"] for disk in body["disks"]}) == len(body["disks"]) > 0,
            "a chain twice, or none",
        )
        check_description(json.loads(body["vmDescription"]))
        origin = body.get("origin", "missing")
        need(
            origin is None or fits(fields("repositoryId vm runId:id sha256:digest"), origin),
            "origin",
        )
        return body

    def uncounted_points(self) -> list[str]:
        names = []
        for name, (vm, run) in self.control.found["point"]:
            if (vm, run) not in self.facts.counted:
                names.append(name)
                with self.look(self.control, name):
                    self.open_point(name, self.control.read(name, 2 * MIB), vm, run)
        return names

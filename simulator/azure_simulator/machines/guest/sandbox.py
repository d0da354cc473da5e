"""What a unit says of its service's user and limits: what is kept, and what is refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

CREDENTIALS_FOLDER = "/run/credentials"

_YES = frozenset({"1", "yes", "true", "on"})
_NO = frozenset({"0", "no", "false", "off"})
_SYSTEM = frozenset({"strict", "full"})


class BadSandbox(Exception):
    """A directive says something that systemd could do and this can't."""


@dataclass(frozen=True)
class Sandbox:
    """How a service is confined; *credentials* are names and the files that they are copied from.

    *system* is what `ProtectSystem` says: ``strict`` (nothing can be written to but *writable*),
    ``full``, or nothing. *private_devices*: no disk can be opened, whatever its rights are.
    """

    unit: str
    user: str = "root"
    credentials: tuple[tuple[str, str], ...] = ()
    writable: tuple[str, ...] = ()
    system: str = ""
    umask: int = 0o022
    no_core: bool = False
    no_capabilities: bool = False
    no_new_privileges: bool = False
    no_writable_code: bool = False
    private_tmp: bool = False
    private_devices: bool = False
    protect_home: bool = False

    @property
    def credentials_folder(self) -> str:
        """Where the service finds its credentials."""
        return f"{CREDENTIALS_FOLDER}/{self.unit}"

    @property
    def is_needed(self) -> bool:
        """False where the unit asks for nothing: then the service is run as it is."""
        return self != Sandbox(self.unit, writable=self.writable)

    def to_json(self) -> str:
        """Return the argument that `from_json` reads."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Sandbox:
        """Read what `to_json` wrote."""
        said = json.loads(text)
        pairs = tuple((name, path) for name, path in said.pop("credentials"))
        return Sandbox(**{**said, "credentials": pairs, "writable": tuple(said["writable"])})


def parse_sandbox(
    unit: str, service: Mapping[str, list[str]], writable: tuple[str, ...]
) -> Sandbox:
    """Return what *service* says; raise BadSandbox, naming the directive, where it can't be had."""
    _refuse_other_capabilities(service)
    return Sandbox(
        unit=unit,
        user=_user(service),
        credentials=tuple(_credential(line) for line in service.get("LoadCredential", ())),
        writable=writable,
        system=_system(service),
        umask=int(_last(service, "UMask") or "022", 8),
        no_core=_no_core(service),
        no_capabilities="CapabilityBoundingSet" in service,
        no_new_privileges=_is_on(service, "NoNewPrivileges"),
        no_writable_code=_is_on(service, "MemoryDenyWriteExecute"),
        private_tmp=_is_on(service, "PrivateTmp"),
        private_devices=_has_no_disks(service),
        protect_home=_is_on(service, "ProtectHome"),
    )


def _has_no_disks(service: Mapping[str, list[str]]) -> bool:
    """Tell whether the unit keeps the service from all disks; NVMe's are of the kind blkext."""
    allowed = {line.split()[0] for line in service.get("DeviceAllow", ()) if line.split()}
    is_closed = _last(service, "DevicePolicy") in {"closed", "strict"}
    return _is_on(service, "PrivateDevices") or (
        is_closed and not {"block-sd", "block-blkext"} <= allowed
    )


def _user(service: Mapping[str, list[str]]) -> str:
    user = _last(service, "User") or "root"
    group = _last(service, "Group") or user
    if group != user:
        raise BadSandbox(f"Group={group} is not simulated: only the user's own is")
    return "root" if user == "0" else user


def _refuse_other_capabilities(service: Mapping[str, list[str]]) -> None:
    for key in ("CapabilityBoundingSet", "AmbientCapabilities"):
        if said := _last(service, key):
            raise BadSandbox(f"{key}={said} is not simulated: only the empty set is")


def _credential(line: str) -> tuple[str, str]:
    name, colon, path = line.partition(":")
    if not colon or not path.startswith("/"):
        raise BadSandbox(f"LoadCredential={line} is not simulated: only NAME:/PATH is")
    return name, path


def _system(service: Mapping[str, list[str]]) -> str:
    said = _last(service, "ProtectSystem")
    return said if said in _SYSTEM else ""


def _no_core(service: Mapping[str, list[str]]) -> bool:
    said = _last(service, "LimitCORE")
    if said not in {"", "0", "infinity"}:
        raise BadSandbox(f"LimitCORE={said} is not simulated: 0 and infinity are")
    return said == "0"


def _is_on(service: Mapping[str, list[str]], key: str) -> bool:
    said = _last(service, key).lower()
    if said and said not in _YES | _NO:
        raise BadSandbox(f"{key}={said} is not simulated: yes and no are")
    return said in _YES


def _last(service: Mapping[str, list[str]], key: str) -> str:
    values = service.get(key)
    return values[-1] if values else ""

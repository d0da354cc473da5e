"""Service units as systemd reads them: the directives that are obeyed, and what is wrong."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from azure_simulator.machines.guest.sandbox import BadSandbox, Sandbox, parse_sandbox

#: Where a VM's own units lie.
UNITS_FOLDER = Path("/etc/systemd/system")

_KINDS = ("simple", "exec", "oneshot")
_RESTARTS = ("no", "on-failure", "always", "on-success", "on-abnormal", "on-abort", "on-watchdog")
_BOOLEANS = {"1": True, "yes": True, "true": True, "on": True}

#: Directives of a sandbox that would be less of one without them: refused, since nobody keeps them.
_REFUSED = re.compile(
    r"(ReadOnly|ReadWrite|Inaccessible|Exec|NoExec)Paths|DynamicUser|SupplementaryGroups|Condition\w+"
    r"|PrivateUsers|PrivateNetwork|PrivateMounts|RootDirectory|SetCredential|IPAddress\w+"
)
#: Directives that change nothing here, where there is one VM and no control groups.
_WITHOUT_EFFECT = re.compile(
    r"Description|Documentation|After|Before|Wants|Requires|DefaultDependencies|SyslogIdentifier"
    # Filters of system calls, and what only devices, clocks and kernels of a VM's own would tell.
    r"|ProtectClock|ProtectControlGroups|ProtectHostname|ProtectKernel\w+|ProtectProc|ProcSubset"
    r"|Restrict(AddressFamilies|Namespaces|Realtime|SUIDSGID)|LockPersonality"
    r"|SystemCall(Filter|Architectures|ErrorNumber)|RemoveIPC|KeyringMode"
    r"|Memory(Max|High|Low|Min)|CPU\w+|IO\w+|Tasks\w+|Limit(?!CORE)\w+|Nice|OOM\w+"
    r"|KillMode|StandardOutput|StandardError|Delegate|Slice|TimeoutStartSec"
)
_UNDERSTOOD = re.compile(
    r"Type|ExecStart|ExecStartPre|Environment|EnvironmentFile|WorkingDirectory|Restart|RestartSec"
    r"|TimeoutStopSec|StartLimitBurst|StartLimitIntervalSec|RemainAfterExit|WantedBy|User|Group"
    r"|KillSignal|(Runtime|State|Cache|Logs|Configuration)Directory|StateDirectoryMode"
    r"|ConditionPathExists|RestartPreventExitStatus|LoadCredential|UMask|LimitCORE"
    r"|CapabilityBoundingSet|AmbientCapabilities|NoNewPrivileges|MemoryDenyWriteExecute"
    r"|Protect(System|Home)|Private(Tmp|Devices)|Device(Policy|Allow)"
)
_FOLDERS = {
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "ConfigurationDirectory": "/etc",
}
_SPAN = re.compile(r"([0-9.]+)\s*([a-z]*)")
_SPAN_UNITS = {
    "": 1.0, "s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 0.001, "us": 0.000001,
    "m": 60.0, "min": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "d": 86400.0,
}  # fmt: skip


class BadUnit(Exception):
    """A unit is missing or says something that is not understood here."""


@dataclass(frozen=True)
class Command:
    """A command line; *may_fail* where it has the ``-`` prefix."""

    words: tuple[str, ...]
    may_fail: bool


@dataclass(frozen=True)
class Unit:
    """What a service unit says; times are seconds."""

    name: str
    description: str
    kind: str
    start: tuple[Command, ...]
    before_start: tuple[Command, ...]
    environment: Mapping[str, str]
    environment_files: tuple[tuple[str, bool], ...]
    working_folder: str
    folders: tuple[Path, ...]
    folders_mode: int
    sandbox: Sandbox
    conditions: tuple[str, ...]
    restart: str
    never_restart: frozenset[int]
    restart_s: float
    stop_s: float
    start_limit: int
    start_limit_s: float
    remains: bool
    wanted_by: tuple[str, ...]
    ignored: tuple[str, ...] = field(default=())


def load(name: str) -> Unit:
    """Read the unit called *name* from the VM's folder of units."""
    try:
        return parse(name, (UNITS_FOLDER / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadUnit(f"Unit {name} not found.") from None


def parse(name: str, text: str) -> Unit:
    """Read a unit's *text*."""
    said = _directives(text)
    service = said.get("Service", {})
    general = said.get("Unit", {})
    start = tuple(_command(name, line) for line in service.get("ExecStart", ()))
    kind = _last(service, "Type", "simple")
    _check(name, said, kind, start)
    folders = tuple(
        Path(parent, folder)
        for key, parent in _FOLDERS.items()
        for line in service.get(key, ())
        for folder in line.split()
    )
    return Unit(
        name=name,
        description=_last(general, "Description", name),
        kind=kind,
        start=start,
        before_start=tuple(_command(name, line) for line in service.get("ExecStartPre", ())),
        environment=_environment(service.get("Environment", ())),
        environment_files=tuple(
            (path.removeprefix("-"), path.startswith("-"))
            for path in service.get("EnvironmentFile", ())
        ),
        working_folder=_last(service, "WorkingDirectory", "/"),
        folders=folders,
        folders_mode=int(_last(service, "StateDirectoryMode", "755"), 8),
        sandbox=_sandbox(name, service, folders),
        conditions=tuple(general.get("ConditionPathExists", ())),
        never_restart=frozenset(
            int(code)
            for line in service.get("RestartPreventExitStatus", ())
            for code in line.split()
        ),
        restart=_last(service, "Restart", "no"),
        restart_s=span(_last(service, "RestartSec", "100ms")),
        stop_s=span(_last(service, "TimeoutStopSec", "90s")),
        start_limit=int(_last(general, "StartLimitBurst", "5")),
        start_limit_s=span(_last(general, "StartLimitIntervalSec", "10s")),
        remains=_BOOLEANS.get(_last(service, "RemainAfterExit", "no").lower(), False),
        wanted_by=tuple(
            target
            for line in said.get("Install", {}).get("WantedBy", ())
            for target in line.split()
        ),
        ignored=tuple(
            f"{section}.{key}"
            for section, entries in said.items()
            for key in entries
            if not _UNDERSTOOD.fullmatch(key) and not _WITHOUT_EFFECT.fullmatch(key)
        ),
    )


def span(text: str) -> float:
    """Return a time span such as ``5``, ``100ms`` or ``1min 30s`` in seconds."""
    if text.strip() == "infinity":
        return float("inf")
    parts = _SPAN.findall(text.strip())
    if not parts or any(unit not in _SPAN_UNITS for _, unit in parts):
        raise BadUnit(f"{text!r} is no time span")
    return sum(float(number) * _SPAN_UNITS[unit] for number, unit in parts)


def read_environment_file(text: str) -> dict[str, str]:
    """Return the variables of an environment file; a name may be set more than once."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and line[0] not in "#;")
    return {name.strip(): _unquoted(value.strip()) for name, equals, value in pairs if equals}


def expand(words: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
    """Put variables into a command line: ``${A}`` within words, ``$A`` as words of its own."""
    expanded: list[str] = []
    for word in words:
        if alone := re.fullmatch(r"\$([A-Za-z_]\w*)", word):
            expanded += environment.get(alone[1], "").split()
        else:
            filled = re.sub(r"\$\{(\w+)\}", lambda m: environment.get(m[1], ""), word)
            expanded.append(filled.replace("$$", "$"))
    return expanded


def _sandbox(name: str, service: Mapping[str, list[str]], folders: tuple[Path, ...]) -> Sandbox:
    try:
        return parse_sandbox(name, service, tuple(str(folder) for folder in folders))
    except BadSandbox as error:
        raise BadUnit(f"{name}: {error}") from None


def _check(
    name: str,
    said: Mapping[str, Mapping[str, list[str]]],
    kind: str,
    start: tuple[Command, ...],
) -> None:
    """Refuse what systemd would refuse, and what it could do and we can't."""
    service = said.get("Service", {})
    for key in (key for entries in said.values() for key in entries):
        if _REFUSED.fullmatch(key) and key != "ConditionPathExists":
            raise BadUnit(f"{name}: {key}= is not simulated")
    if kind not in _KINDS:
        raise BadUnit(f"{name}: Type={kind} is not simulated; {', '.join(_KINDS)} are")
    if not start or (len(start) > 1 and kind != "oneshot"):
        raise BadUnit(f"{name}: {len(start)} ExecStart= lines, and Type={kind}: bad-setting")
    if (restart := _last(service, "Restart", "no")) not in _RESTARTS:
        raise BadUnit(f"{name}: Restart={restart} is not known")
    if (killed_by := _last(service, "KillSignal", "SIGTERM")) != "SIGTERM":
        raise BadUnit(f"{name}: KillSignal={killed_by} is not simulated")


def _directives(text: str) -> dict[str, dict[str, list[str]]]:
    sections: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for raw in text.replace("\\\n", " ").splitlines():
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            section = sections.setdefault(line[1:-1], {})
            continue
        key, _, value = line.partition("=")
        if value.strip():
            section.setdefault(key.strip(), []).append(value.strip())
        else:
            section[key.strip()] = []  # an empty value takes back what was said before
    return sections


def _command(name: str, line: str) -> Command:
    prefix = re.match(r"[-@:+!]*", line)
    marks = prefix[0] if prefix else ""
    if "@" in marks:
        raise BadUnit(f"{name}: the prefix @ of a command is not simulated")
    words = tuple(shlex.split(line[len(marks) :]))
    if not words or not words[0].startswith("/"):
        raise BadUnit(f"{name}: {line!r}: the program's path is not absolute")
    return Command(words, "-" in marks)


def _environment(lines: list[str] | tuple[str, ...]) -> dict[str, str]:
    pairs = (word.partition("=") for line in lines for word in shlex.split(line))
    return {key: value for key, equals, value in pairs if equals}


def _last(entries: Mapping[str, list[str]], key: str, default: str) -> str:
    values = entries.get(key)
    return values[-1] if values else default


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value

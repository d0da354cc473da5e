"""Debian's packages, by apt: what is needed for an architecture, and the files of a lock.

apt works in a folder of its own, so that neither what this machine has installed nor its
architecture counts. Where packages come from is what this machine's sources say of the release, or
the file of sources that DEBIAN_SOURCES names: no mirror is written down here.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RELEASE = "bookworm"
SUITES = {RELEASE, f"{RELEASE}-updates", f"{RELEASE}-security"}

#: Where apt keeps its sources.
SOURCES = Path("/etc/apt")
#: apt's own options in a folder: proxies and the like are this machine's, the rest is the folder's.
_OPTIONS = """\
Dir "{folder}/";
Dir::State::status "{folder}/status";
Dir::Etc::parts "/etc/apt/apt.conf.d";
Dir::Etc::trusted "/etc/apt/trusted.gpg";
Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
"""
_URI_LINE = re.compile(r"^'[^']+' (\S+)_(\S+)_\S+\.deb \d+", re.MULTILINE)


#: How a program ends that was told `NotToBeHad`: EX_UNAVAILABLE of sysexits.h.
NOT_TO_BE_HAD = 69


class NotToBeHad(LookupError):
    """What is locked can't be fetched: no apt, no sources of the release, or a version has gone."""


@dataclass(frozen=True, slots=True)
class Package:
    """One package of Debian's, as a lock names it."""

    architecture: str
    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Apt:
    """apt in *folder*, for one architecture, whose lists have been fetched."""

    folder: Path
    architecture: str

    def needed_for(self, names: Iterable[str]) -> dict[str, str]:
        """Return the versions of *names* and of all that they depend on, by name."""
        said = self.run("apt-get", "install", "-qq", "--print-uris", "--yes", *names)
        found = {name: version.replace("%3a", ":") for name, version in _URI_LINE.findall(said)}
        if not found:
            raise LookupError(f"apt names no package for {', '.join(names)}: {said[:500]}")
        return found

    def download(self, versions: dict[str, str], out: Path) -> dict[str, Path]:
        """Return the files of the packages in *versions*, downloaded into *out*, by name."""
        wanted = [f"{name}={version}" for name, version in sorted(versions.items())]
        self.run("apt-get", "download", "-qq", *wanted, at=out)
        return {path.name.split("_", 1)[0]: path for path in sorted(out.glob("*.deb"))}

    def run(self, *command: str, at: Path | None = None) -> str:
        """Return what *command* prints, run in the folder *at*; raise NotToBeHad if it fails."""
        environment = {**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C"}
        done = subprocess.run(
            command, cwd=at, env=environment, check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise NotToBeHad(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout


@contextmanager
def apt(architecture: str) -> Iterator[Apt]:
    """Give an apt for *architecture* whose lists are fresh, until the block ends."""
    program("apt-get")
    sources = release_sources()
    with tempfile.TemporaryDirectory(prefix="apt-") as name:
        folder = Path(name)
        for part in (
            *("etc/apt/sources.list.d", "etc/apt/preferences.d"),
            *("var/lib/apt/lists/partial", "var/cache/apt/archives/partial"),
        ):
            (folder / part).mkdir(parents=True)
        (folder / "status").touch()
        for kind, text in sources.items():
            (folder / "etc/apt/sources.list.d" / f"release.{kind}").write_text(text)
        options = _OPTIONS.format(folder=folder, architecture=architecture)
        (folder / "apt.conf").write_text(options)
        made = Apt(folder, architecture)
        made.run("apt-get", "update", "-qq")
        yield made


def release_sources(folder: Path = SOURCES) -> dict[str, str]:
    """Return the sources of the release, by apt's kind of file, from DEBIAN_SOURCES or *folder*."""
    named = os.environ.get("DEBIAN_SOURCES")
    if named:
        path = Path(named)
        return {path.suffix.lstrip("."): path.read_text()}
    stanzas = [
        stanza
        for path in sorted((folder / "sources.list.d").glob("*.sources"))
        for stanza in path.read_text().split("\n\n")
        if _is_of_the_release(_suites_of_stanza(stanza))
    ]
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.list"))]
    lines = [
        line
        for path in files
        if path.is_file()
        for line in path.read_text().splitlines()
        if _is_of_the_release(_suite_of_line(line))
    ]
    found = {"sources": "\n\n".join(stanzas), "list": "\n".join([*lines, ""])}
    kept = {kind: text for kind, text in found.items() if text.strip()}
    if not kept:
        raise NotToBeHad(
            f"this machine's apt has no source of Debian {RELEASE}: write one into a file that ends"
            " in .sources or .list, and name it in DEBIAN_SOURCES"
        )
    return kept


def _is_of_the_release(suites: set[str]) -> bool:
    return bool(suites) and suites <= SUITES


def _suites_of_stanza(stanza: str) -> set[str]:
    fields = dict(
        line.split(":", 1) for line in stanza.splitlines() if re.match(r"[A-Za-z-]+:", line)
    )
    return (
        set(fields.get("Suites", "").split()) if "deb" in fields.get("Types", "").split() else set()
    )


def _suite_of_line(line: str) -> set[str]:
    said = re.match(r"deb\s+(?:\[[^]]*\]\s+)?\S+\s+(\S+)\s", line)
    return {said[1]} if said else set()


def program(name: str) -> str:
    """Return the path of Debian's program *name*."""
    found = shutil.which(name)
    if found is None:
        raise NotToBeHad(f"the image is made of Debian's packages: {name} is needed")
    return found


def sha256(path: Path) -> str:
    """Return the SHA-256 of the file at *path*, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

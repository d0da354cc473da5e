"""What goes into the image is locked: Debian's packages by their lock, wheels by the tests' own."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from tools.image.apt import NotToBeHad, Package, release_sources
from tools.image.debian import ARCHITECTURES, LEFT_OUT, LOCK, WANTED, check, locked
from tools.image.wheels import PYTHON, lock, needed, project_scripts

PINS = locked(LOCK.read_text())

SOURCES = """\
Types: deb
URIs: {mirror}
Suites: bookworm bookworm-updates
Components: main

Types: deb-src
URIs: {mirror}
Suites: bookworm
Components: main

Types: deb
URIs: {mirror}
Suites: nodistro
Components: main
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_architecture_has_what_is_wanted_and_nothing_that_is_left_out(
    architecture: str,
) -> None:
    names = {pin.name for pin in PINS if pin.architecture == architecture}

    assert set(WANTED) < names
    assert not names & LEFT_OUT


def test_architectures_have_the_same_packages_in_the_same_versions() -> None:
    by_architecture = {
        architecture: {(pin.name, pin.version) for pin in PINS if pin.architecture == architecture}
        for architecture in ARCHITECTURES
    }

    assert by_architecture["amd64"] == by_architecture["arm64"]


def test_every_package_is_named_once_with_its_digest() -> None:
    named = [(pin.architecture, pin.name) for pin in PINS]

    assert len(set(named)) == len(named)
    assert all(re.fullmatch("[0-9a-f]{64}", pin.sha256) for pin in PINS)


def test_the_python_of_the_release_is_the_one_that_wheels_are_for() -> None:
    versions = {pin.version.split("-")[0] for pin in PINS if pin.name == "python3-minimal"}

    assert {version.rsplit(".", 1)[0] for version in versions} == {PYTHON}


def test_a_file_that_is_not_the_locked_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "libc6.deb"
    file.write_bytes(b"another")
    right = Package("amd64", "libc6", "1", hashlib.sha256(b"another").hexdigest())
    wrong = Package("amd64", "libc6", "1", "0" * 64)

    check(right, file)
    with pytest.raises(ValueError, match="is locked"):
        check(wrong, file)


def test_only_sources_of_the_release_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEBIAN_SOURCES", raising=False)
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (folder / "debian.sources").write_text(SOURCES.format(mirror="file:/mirror"))
    (tmp_path / "sources.list").write_text(
        "# deb file:/mirror bookworm main\n"
        "deb [signed-by=/k.gpg] file:/mirror bookworm-security main\n"
        "deb file:/other cloud-sdk-bookworm main\n"
    )

    found = release_sources(tmp_path)

    assert found["list"] == "deb [signed-by=/k.gpg] file:/mirror bookworm-security main\n"
    assert re.findall("Suites: (.*)", found["sources"]) == ["bookworm bookworm-updates"]


def test_a_machine_of_another_release_is_told_how_to_name_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEBIAN_SOURCES", raising=False)
    with pytest.raises(NotToBeHad, match="DEBIAN_SOURCES"):
        release_sources(tmp_path)

    named = tmp_path / "mine.list"
    named.write_text("deb file:/mirror bookworm main\n")
    monkeypatch.setenv("DEBIAN_SOURCES", str(named))

    assert release_sources(tmp_path) == {"list": "deb file:/mirror bookworm main\n"}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_all_that_the_product_imports_ships_and_no_tool_of_its_tests(machine: str) -> None:
    names = needed(machine)

    assert {"kopf", "kubernetes", "azure-mgmt-compute", "zstandard", "typing-extensions"} < names
    assert "requests" in names  # azure-core's, by another's word
    assert not names & {"pytest", "mypy", "ruff", "trustme", "hypothesis"}


def test_wheels_have_the_versions_and_hashes_of_the_tests_own() -> None:
    pins = lock(["kopf", "urllib3"])

    assert re.findall(r"^([a-z0-9]+)==", pins, re.MULTILINE) == ["kopf", "urllib3"]
    assert len(re.findall("--hash=sha256:", pins)) >= 2


def test_what_is_not_locked_is_an_error() -> None:
    with pytest.raises(LookupError, match="pins no nonesuch"):
        lock(["nonesuch"])


def test_the_image_has_the_commands_that_the_distribution_has() -> None:
    assert project_scripts()["vmbackup"] == "vmbackup_operator.cli:main"

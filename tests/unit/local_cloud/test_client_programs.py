"""Programs that are made once: found by what they are made from, named where they are missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.contract.clients.programs import built
from tools.local_cloud.client_programs import AZCOPY, AZURE_CLI, GO_CLIENT, ClientProgram


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def program(pins: Path, made: list[Path]) -> ClientProgram:
    def make(folder: Path) -> None:
        (folder / "client").write_text(pins.read_text())
        made.append(folder)

    return ClientProgram("client", (pins,), "client", make)


def test_a_program_is_made_once_for_its_pins_and_again_for_others(tmp_path: Path) -> None:
    pins, made = tmp_path / "lock", list[Path]()
    pins.write_text("version 1")
    client = program(pins, made)

    first = [client.path(), client.path()]
    pins.write_text("version 2")
    second = client.path()

    assert len(made) == 2
    assert first[0] == first[1] != second
    assert [path.read_text() for path in (first[0], second)] == ["version 1", "version 2"]


def test_a_program_that_could_not_be_made_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("x")

    def fail(folder: Path) -> None:
        (folder / "half").write_text("of it")
        raise RuntimeError("the registry is away")

    client = ClientProgram("client", (tmp_path / "lock",), "client", fail)
    with pytest.raises(RuntimeError, match="away"):
        client.path()

    assert not client.is_built


@pytest.mark.parametrize("client", [AZURE_CLI, AZCOPY, GO_CLIENT], ids=lambda c: c.name)
def test_a_test_whose_program_is_missing_is_skipped_by_its_name(client: ClientProgram) -> None:
    with pytest.raises(pytest.skip.Exception, match=f"{re.escape(client.name)}.*make clients"):
        built(client)


def test_what_a_lock_pins_has_its_hash() -> None:
    (lock,) = AZURE_CLI.pins
    blocks = [b for b in re.split(r"^(?=\S)", lock.read_text(), flags=re.MULTILINE) if b]

    assert len(blocks) > 100
    assert all(re.match(r"[\w.-]+==\S+", b) and "--hash=sha256:" in b for b in blocks)

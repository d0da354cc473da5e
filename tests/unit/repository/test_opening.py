"""Keys, headers and recovery points: what is accepted, what is refused, and what is never shown."""

from __future__ import annotations

import base64
import struct

import msgspec
import pytest

from tests.unit.repository.bench import BLOCK, DISK, Bench, StandingClock, noise, run_id
from vmbackup_core.errors import CorruptRepository, PermanentError, VmbackupError
from vmbackup_core.ids import ChainId, DiskUniqueId, RepositoryId
from vmbackup_core.repository import (
    ChainKeys,
    ChainParameters,
    KeyMismatch,
    NotInitialised,
    RepositoryKey,
    UnsupportedFormat,
    initialise,
    open_chain,
    open_repository,
)
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import NotStored

SECRET = bytes(range(32))

GOLDEN_FINGERPRINT = "4fb63080658c0a480e9a00c0e11da476"
GOLDEN_CHAIN = "c606117a262f66c793e22876c2a62de5"
GOLDEN_CHAIN_KEY = "41eb731278f905eef75fe037f751ed167aec8ef5c8e81dee094f214cccbcdb19"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(SECRET.hex(), id="hexadecimal"),
        pytest.param(SECRET.hex().upper(), id="upper case"),
        pytest.param(base64.b64encode(SECRET).decode(), id="base64"),
        pytest.param(f"  {SECRET.hex()}\n", id="with white space around"),
    ],
)
def test_a_key_may_be_written_in_hex_or_base64(text: str) -> None:
    assert RepositoryKey.parse(text) == RepositoryKey(SECRET)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("not a key!", "neither 64 hexadecimal digits nor base64", id="words"),
        pytest.param(SECRET.hex()[:-2], "62 characters", id="hex that is short"),
        pytest.param(base64.b64encode(SECRET[:-1]).decode(), "32 bytes, not 31", id="short"),
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(text: str, said: str) -> None:
    with pytest.raises(PermanentError, match=said) as refused:
        RepositoryKey.parse(text)

    assert refused.value.reason == "InvalidKey"
    assert not text or text not in str(refused.value)


def test_no_secret_shows_in_a_representation(bench: Bench) -> None:
    chain = bench.chain()
    shown = f"{bench.key!r} {bench.key} {chain!r} {chain.keys!r} {chain.keys} {bench.repository!r}"

    secrets = (bench.key.secret, chain.keys.secret)
    for secret in secrets:
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
        assert base64.b64encode(secret).decode() not in shown
    assert "_block_key" not in shown
    assert "_digest_key" not in shown


def test_a_key_survives_its_text() -> None:
    key = RepositoryKey.generate()

    assert RepositoryKey.parse(key.text) == key
    assert RepositoryKey.generate() != key


def test_chain_keys_survive_their_text(bench: Bench) -> None:
    keys = bench.chain().keys

    assert ChainKeys.parse(keys.text) == keys


@pytest.mark.parametrize("text", ["", "AAAA", "?", base64.b64encode(b"\2" + bytes(36)).decode()])
def test_what_are_no_chain_keys_is_refused(text: str) -> None:
    with pytest.raises(PermanentError, match="chain keys"):
        ChainKeys.parse(text)


def test_the_key_tree_is_the_documents() -> None:
    """Golden values: whoever changes the derivation makes every repository unreadable."""
    key = RepositoryKey(SECRET)
    repository = RepositoryId("0123456789abcdef0123456789abcdef")
    chain = key.chain_id(repository, DISK)

    assert key.fingerprint == GOLDEN_FINGERPRINT
    assert chain == GOLDEN_CHAIN
    assert key.chain_keys(repository, chain).secret.hex() == GOLDEN_CHAIN_KEY


def test_a_chain_is_named_by_the_disk_the_repository_and_the_key() -> None:
    key, repository = RepositoryKey(SECRET), RepositoryId("0" * 32)
    name = key.chain_id(repository, DISK)

    assert key.chain_id(repository, DiskUniqueId(DISK.upper())) == name
    assert key.chain_id(repository, DiskUniqueId("another")) != name
    assert key.chain_id(RepositoryId("1" * 32), DISK) != name
    assert RepositoryKey(bytes(32)).chain_id(repository, DISK) != name


def test_initialising_again_opens_what_is_there(bench: Bench) -> None:
    again = initialise(bench.store, bench.key, appliance_id="other", clock=StandingClock())

    assert again.repository_id == bench.repository.repository_id
    assert again.appliance_id == "home"


def test_a_place_without_a_repository_is_not_initialised() -> None:
    with pytest.raises(NotInitialised, match="no repository here") as refused:
        open_repository(MemoryStore(), RepositoryKey(SECRET))

    assert refused.value.reason == "NotInitialised"


def test_initialising_with_another_key_changes_nothing(bench: Bench) -> None:
    with pytest.raises(KeyMismatch):
        initialise(
            bench.store, RepositoryKey.generate(), appliance_id="home", clock=StandingClock()
        )

    assert open_repository(bench.store, bench.key).repository_id == bench.repository.repository_id


def test_another_key_is_told_from_damage(bench: Bench) -> None:
    other = RepositoryKey.generate()

    with pytest.raises(KeyMismatch) as refused:
        open_repository(bench.store, other)

    assert refused.value.reason == "KeyMismatch"
    assert bench.key.fingerprint in str(refused.value)
    assert other.fingerprint in str(refused.value)


def replaced(store: MemoryStore, name: str, offset: int, form: str, value: int) -> None:
    content = bytearray(store.get(name))
    struct.pack_into(form, content, offset, value)
    store.delete(name)
    store.put_new(name, content)


@pytest.mark.parametrize(
    ("offset", "form", "value", "said"),
    [
        pytest.param(8, "<H", 2, "header: format version 2.1", id="major version"),
        pytest.param(12, "<I", 0b101, "header: mandatory feature 0, 2", id="mandatory features"),
    ],
)
def test_a_newer_format_is_refused_by_name(
    bench: Bench, offset: int, form: str, value: int, said: str
) -> None:
    assert isinstance(bench.store, MemoryStore)
    replaced(bench.store, "header", offset, form, value)

    with pytest.raises(UnsupportedFormat, match=said) as refused:
        open_repository(bench.store, bench.key)
    assert refused.value.reason == "UnsupportedFormat"


def test_a_newer_commit_stops_a_writer_by_name(bench: Bench) -> None:
    assert isinstance(bench.store, MemoryStore)
    bench.back_up(1, noise(1, BLOCK))
    name = bench.chain().full_name("k/00000001")
    replaced(bench.store, name, 8, "<H", 9)

    with pytest.raises(UnsupportedFormat, match=f"{name}: format version 9.1"):
        bench.back_up(2, noise(1, BLOCK))


def test_an_unknown_algorithm_of_a_chain_is_refused_by_name(bench: Bench) -> None:
    chain_id = bench.repository.chain_id(DISK)
    keys = bench.repository.chain_keys(chain_id)
    future = ChainParameters(block_hash="sha3-128")
    open_chain(bench.store, chain_id, keys, parameters=future, run_id=run_id(1))

    with pytest.raises(UnsupportedFormat, match="block hash 'sha3-128'"):
        bench.chain()


def test_a_chain_keeps_the_parameters_it_was_begun_with(bench: Bench) -> None:
    begun = bench.chain()
    again = open_chain(
        bench.store, begun.chain_id, begun.keys, parameters=ChainParameters(), run_id=run_id(2)
    )

    assert again.parameters == begun.parameters


def test_one_chains_keys_do_not_open_another(bench: Bench) -> None:
    mine = bench.chain()
    theirs = bench.repository.chain_keys(bench.repository.chain_id(DiskUniqueId("another")))

    with pytest.raises(CorruptRepository, match="chain: does not verify"):
        open_chain(bench.store, mine.chain_id, theirs, run_id=run_id(2))


@pytest.mark.parametrize(
    ("block", "shard"), [(1000, 64000), (2048, 65536), (8 * 1024**2, 64 * 1024**3), (4096, 5000)]
)
def test_parameters_that_make_no_sense_are_refused(block: int, shard: int) -> None:
    with pytest.raises(ValueError, match=r"(block|shard) size"):
        ChainParameters(block_bytes=block, shard_bytes=shard)


@pytest.mark.parametrize("bad", ["", "../header", "F" * 32, "f" * 31])
def test_ids_never_become_paths(bench: Bench, bad: str) -> None:
    with pytest.raises(ValueError, match="chain id"):
        open_chain(bench.store, ChainId(bad), bench.chain().keys, run_id=run_id(1))


def test_a_recorded_point_is_found_and_listed(bench: Bench) -> None:
    content = noise(1, 3 * BLOCK)
    point = bench.record(5, bench.back_up(5, content), len(content))
    bench.record(4, bench.back_up(4, content), len(content))

    assert bench.repository.find_point(run_id(5)) == point
    assert [each.run_id for each in bench.repository.points()] == [run_id(4), run_id(5)]


def test_recording_the_same_point_again_is_success_and_another_is_not(bench: Bench) -> None:
    content = noise(1, 3 * BLOCK)
    point = bench.record(5, bench.back_up(5, content), len(content))
    bench.repository.record_point(point)

    with pytest.raises(PermanentError) as refused:
        bench.repository.record_point(msgspec.structs.replace(point, vm_name="other"))
    assert refused.value.reason == "RecoveryPointDiffers"


def test_a_point_cannot_name_a_commit_that_is_not_there(bench: Bench) -> None:
    content = noise(1, 3 * BLOCK)
    point = bench.point(5, bench.back_up(5, content), len(content))

    def with_disk(**changes: object) -> None:
        disk = msgspec.structs.replace(point.disks[0], **changes)
        bench.repository.record_point(msgspec.structs.replace(point, disks=(disk,)))

    with pytest.raises(NotStored):
        with_disk(slot=2)
    with pytest.raises(NotStored):
        with_disk(chain_id=ChainId("0" * 32))
    with pytest.raises(CorruptRepository, match="digest"):
        with_disk(commit_digest="0" * 64)
    with pytest.raises(VmbackupError, match="commits a disk of"):
        with_disk(size_bytes=7)
    assert list(bench.repository.points()) == []

"""What a job is given opens what it must, and nothing else."""

from __future__ import annotations

import hashlib

import pytest

from tests.unit.repository.known_values import CHAIN, MASTER, PACK, REPOSITORY, RUN, known
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_core.repository.primitives import chain_keys
from vmbackup_core.repository.primitives.chain_keys import ChainKeys, run_key
from vmbackup_core.repository.primitives.derivation import derive
from vmbackup_core.repository.primitives.failures import (
    KeyNotGiven,
    KeyRingIncomplete,
    NoSuchEpoch,
)
from vmbackup_core.repository.primitives.masters import KeyRing, Master

OTHER_RUN = RunId("cc" * 16)
BLOCK = b"\1" * 4096
RING = KeyRing(
    REPOSITORY,
    {1: Master(REPOSITORY, 1, MASTER), 3: Master(REPOSITORY, 3, b"3" * 32)},
    frozenset({1, 2, 3}),
)
BACKUP = chain_keys.for_backup(RING, CHAIN, 1, 1, [(1, RUN)])
READING = chain_keys.for_reading(RING, CHAIN, 1, 3)
PRUNE = chain_keys.for_prune(RING, CHAIN, 3)


def test_keys_below_a_chain_have_the_known_values() -> None:
    run = run_key(REPOSITORY, RING.of(1).data(CHAIN), RUN)

    assert run.hex() == known("run key")
    assert derive(run, REPOSITORY, "pack", PACK.packed()).hex() == known("pack key")
    assert derive(run, REPOSITORY, "proof").hex() == known("proof key")
    secret = RING.of(1).metadata(CHAIN)
    footer = derive(secret, REPOSITORY, "footer", PACK.packed(), bytes.fromhex(RUN))
    assert footer.hex() == known("footer key")


def test_a_blocks_hash_is_the_known_one() -> None:
    assert BACKUP.block_hash(BLOCK).hex() == known("block hash of")


def test_the_known_block_is_sealed_to_the_known_record() -> None:
    said = b"\0" + (4096).to_bytes(4, "little") + BACKUP.block_hash(BLOCK)
    nonce = (3).to_bytes(12, "little")

    record = BACKUP.pack_cipher(PACK, RUN, 1).encrypt(nonce, BLOCK, said)

    assert hashlib.sha256(record).hexdigest() == known("SHA-256 of that block as record 3")
    assert READING.pack_cipher(PACK, RUN, 1).decrypt(nonce, record, said) == BLOCK


def test_a_footer_is_opened_by_whoever_has_the_metadata_secret() -> None:
    sealed = BACKUP.footer_cipher(PACK, RUN, 1).encrypt(bytes(12), b"foot", b"")

    for keys in (READING, PRUNE):
        assert keys.footer_cipher(PACK, RUN, 1).decrypt(bytes(12), sealed, b"") == b"foot"


def test_a_backup_job_has_no_key_of_what_another_run_or_epoch_stored() -> None:
    for run, epoch in ((OTHER_RUN, 1), (RUN, 3)):
        with pytest.raises(KeyNotGiven, match=f"data secret of epoch {epoch}"):
            BACKUP.pack_cipher(PACK, run, epoch)
        with pytest.raises(KeyNotGiven):
            BACKUP.proof("p", b"", run, epoch)


def test_prune_has_neither_the_hash_key_nor_a_key_of_records() -> None:
    with pytest.raises(KeyNotGiven, match="hash key"):
        PRUNE.block_hash(BLOCK)
    with pytest.raises(KeyNotGiven):
        PRUNE.pack_cipher(PACK, RUN, 1)


def test_an_epoch_that_is_lacking_is_told_from_one_that_never_was() -> None:
    for keys in (BACKUP, READING, PRUNE):
        with pytest.raises(KeyRingIncomplete):
            keys.secret_of(2)
        with pytest.raises(NoSuchEpoch):
            keys.secret_of(4)


def test_a_proof_depends_on_run_epoch_name_and_what_is_said() -> None:
    proofs = {
        READING.proof("p/1", b"said", RUN, 1),
        READING.proof("p/1", b"said", RUN, 3),
        READING.proof("p/1", b"said", OTHER_RUN, 1),
        READING.proof("p/2", b"said", RUN, 1),
        READING.proof("p/1", b"other", RUN, 1),
    }

    assert len(proofs) == 5
    assert {len(proof) for proof in proofs} == {16}
    assert BACKUP.proof("p/1", b"said", RUN, 1) in proofs


@pytest.mark.parametrize("keys", [BACKUP, READING, PRUNE], ids=["backup", "reading", "prune"])
def test_keys_come_back_from_a_jobs_text(keys: ChainKeys) -> None:
    assert ChainKeys.parse(keys.text) == keys


@pytest.mark.parametrize("text", ["", "AAAA", "no base64!", "e30="])
def test_a_text_that_holds_no_keys_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(PermanentError, match="no text that this project wrote") as refused:
        ChainKeys.parse(text)

    assert refused.value.reason == "InvalidKey"
    assert refused.value.__cause__ is None


def test_no_key_is_shown() -> None:
    assert repr(READING) == (
        f"ChainKeys(repository={REPOSITORY!r}, chain={CHAIN!r}, newest=3, lacking=frozenset({{2}}))"
    )

"""Packs that earlier sessions left without a commit, taken over by the next one.

While the slot that they aim at is free they are kept, whoever wrote them: see "Concurrency".
"""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.chain import Chain
from vmbackup_core.repository.failures import UnsupportedFormat
from vmbackup_core.repository.known_blocks import KnownBlocks
from vmbackup_core.repository.names import PackId, pack_of
from vmbackup_core.repository.pack import PackFooter
from vmbackup_core.repository.pack_reader import read_footer
from vmbackup_core.stores.port import NotStored


@dataclass(frozen=True, slots=True)
class LeftPack:
    """A pack without a commit, and between which blocks of the disk it was written."""

    pack: PackId
    size_bytes: int
    first_block: int
    last_block: int


def packs_left(chain: Chain, slot: CommitSlot) -> list[LeftPack]:
    """Return what sessions that aimed at *slot*, which is free, have stored."""
    found: list[LeftPack] = []
    for each in chain.store.list(chain.full_name(f"p/{slot:08x}-")):
        pack = pack_of(chain.short_name(each.name))
        footer = None if pack is None else _footer(chain, pack, each.size_bytes)
        if pack is not None and footer:
            found.append(LeftPack(pack, each.size_bytes, min(footer.blocks), max(footer.blocks)))
    return found


def adopt(chain: Chain, left: list[LeftPack], known: KnownBlocks, blocks: range) -> None:
    """Have *known* know the packs that were written within *blocks*."""
    for each in left:
        if each.first_block < blocks.stop and each.last_block >= blocks.start:
            footer = _footer(chain, each.pack, each.size_bytes)
            if footer:
                known.add_pack(each.pack, each.size_bytes, footer)


def _footer(chain: Chain, pack: PackId, size_bytes: int) -> PackFooter | None:
    """Return the footer of a pack that nothing refers to, or None where it can't be used.

    One that is damaged is not adopted, and that is all: it holds nothing of the repository's yet,
    and `check` names it.
    """
    try:
        return read_footer(chain, pack, size_bytes)
    except (CorruptRepository, UnsupportedFormat, NotStored):
        return None

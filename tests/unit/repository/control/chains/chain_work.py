"""What tests do with a disk's chain: ensure, find, and begin it anew, alone or in turns."""

from __future__ import annotations

from tests.unit.repository.control.chain_bench import (
    DISK,
    ChainBench,
)
from tests.unit.repository.control.log_bench import run
from tests.unit.repository.data.bench import PARAMETERS
from tests.unit.repository.turns import Work
from vmbackup_core.repository.control.chains.chain_header import (
    DiskChain,
    begin_anew,
    ensure_chain,
    find_chain,
)
from vmbackup_core.repository.control.chains.chain_said import ChainHeader, open_header
from vmbackup_core.repository.data.grants import Parameters
from vmbackup_core.repository.primitives.reading import Places

OTHERS = Parameters(64 * 1024, 1024 * 1024, 2 * 1024 * 1024)


def ensure(
    bench: ChainBench, parameters: Parameters = PARAMETERS, places: Places | None = None
) -> DiskChain:
    places = places or bench.places
    return ensure_chain(bench.log(places.control), places.data, DISK, run(1), parameters)


def find(bench: ChainBench) -> DiskChain | None:
    return find_chain(bench.log(), bench.places.data, DISK)


def anew(bench: ChainBench, number: int = 9, places: Places | None = None) -> DiskChain:
    places = places or bench.places
    return begin_anew(bench.log(places.control), places.data, DISK, run(number), "said so")


def ensuring(bench: ChainBench, parameters: Parameters = PARAMETERS) -> Work:
    return lambda places: ensure(bench, parameters, places)


def beginning_anew(bench: ChainBench, number: int = 9) -> Work:
    return lambda places: anew(bench, number, places)


def header_of(bench: ChainBench, of: DiskChain) -> ChainHeader:
    return open_header(bench.control(), of.chain)


def names(bench: ChainBench) -> list[str]:
    return [each.name for each in bench.places.control.list("")]

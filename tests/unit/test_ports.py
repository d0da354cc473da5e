"""Every port has a double in `tests/worlds/`, and its suite is run over the double and the adapter.

A double that nobody compares with what it stands for grows kinder than that.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.contract.ports.suites import Suite
from tests.sources import ROOT, SOURCE_ROOTS, classes_of, modules, text_of

#: Protocols that have no suite over a double, and why.
_SDK = "the shape of what Azure's SDKs return: nobody keeps it but they"
_PART = "of one process: its other side is no service whose double could be kinder"
_SIMULATED = "within the simulated Azure, whose behaviour is held against its clients' own suites"
_TO_COME = "of format 1.0, which no adapter keeps yet: its first one brings the suite"
_OWN = "the core's own, over a Store"
_OF_PROCESS = "kept in memory as yet; who keeps it for longer brings the suite"
_OF_STORE = "what one who is let do less asks of a Store, which has a suite"
WITHOUT: Mapping[str, str] = {
    "vmbackup_core.clock.Clock": "a clock: TurnedClock says what a test says",
    "vmbackup_core.stores.patience.Pause": "a callback that waits",
    "vmbackup_core.repository.transfer.DiskSource": "a callback that reads a range",
    "vmbackup_core.repository.transfer.DiskSink": "a callback that writes a range",
    "vmbackup_core.repository.data.differences.DiskInPlace": "callbacks that do both",
    "vmbackup_core.repository.control.commits.counting.Tables": _OWN,
    "vmbackup_core.repository.control.retention.sights.Sights": _OWN,
    "vmbackup_core.repository.control.retention.expire_plan.Rules": _TO_COME,
    "vmbackup_core.repository.control.log.heads.Heads": _OF_PROCESS,
    "vmbackup_core.repository.control.repair.lost_blocks.BlockSource": _OWN,
    "vmbackup_core.repository.control.retention.prune_plan.Manifests": _OWN,
    "vmbackup_core.repository.data.block_reader.Healed": _OWN,
    "vmbackup_operator.restores.planning.recorded.DiskHeld": "a value, whoever holds the point",
    "vmbackup_core.repository.data.ports.DataSource": _OF_STORE,
    "vmbackup_core.repository.data.ports.DataTarget": _OF_STORE,
    "vmbackup_core.repository.data.ports.DataStore": _OF_STORE,
    "vmbackup_core.repository.data.sections_back.SectionsTold": "a callback that is told",
    "vmbackup_core.repository.primitives.beginning.BeginsLog": _OWN,
    "vmbackup_core.repository.primitives.user_keys.AppendsToLog": _OWN,
    "vmbackup_operator.cli.restored_file.Image": "files of three kinds, each read back; no double",
    "vmbackup_operator.repositories.ports.Ways": "answers what a test says; Regions has a suite",
    "vmbackup_operator.repositories.ports.OpenRepositories": "answers what a test says",
    "vmbackup_operator.policies.ports.OtherSubscriptions": "one of Regions', which has a suite",
    "vmbackup_operator.upkeep.ports.BusyRuns": "KnownRuns over the book and records, no double",
    "vmbackup_operator.upkeep.ports.DueMachine": "the shape of what is due",
    "vmbackup_operator.upkeep.ports.DueVerifications": "answers what a test says",
    "vmbackup_operator.upkeep.ports.PointsToMirror": "its suite is run over the operator's own",
    "vmbackup_operator.sweeping.ports.RepositoryCatalogs": "the log's word, read by one adapter",
    "vmbackup_operator.services.opened_repositories.RepositoryContainers": (
        "stores, which have a suite; RecoveryPoints' suite is run over both adapters of it"
    ),
    "vmbackup_operator.services.resource_kinds.Model": _SDK,
    "vmbackup_operator.services.resource_kinds.Poller": _SDK,
    "vmbackup_operator.sessions.ports.Sessions": "StoredSessions and the book over it, no double",
    "vmbackup_operator.sessions.ports.Policies": "one find; policies' own port has a suite",
    "vmbackup_operator.sessions.ear.Served": "the book over StoredSessions, no double",
    "vmbackup_operator.sessions.archive_ports.ArchiveChains": (
        "its double is the adapter, over containers in memory; core has tests of what it asks"
    ),
    "vmbackup_operator.sessions.restore_ports.PointsToRestore": (
        "its double is the adapter, over containers in memory; core has tests of what it asks"
    ),
    "vmbackup_operator.wiring.operating.AllRestores": "one list, of the objects that have a suite",
    "azure_simulator.backing.DiskContents": _SIMULATED,
    "azure_simulator.backing.Exports": _SIMULATED,
    "azure_simulator.backing.StorageAccounts": _SIMULATED,
    "azure_simulator.backing.Machines": _SIMULATED,
    "azure_simulator.service.Service": _SIMULATED,
    "vmbackup_worker.agent.Jobs": _PART,
    "vmbackup_worker.agent.Events": _PART,
    "vmbackup_worker.heart.Mouth": _PART,
    "vmbackup_worker.jobs.disks_at_once.OfDisk": "the shape of a value: nothing is asked by it",
    "vmbackup_worker.jobs.restore_targets.Target": _PART,
    "vmbackup_worker.jobs.restore_targets.Targets": _PART,
    "vmbackup_worker.running.Work": _PART,
}

#: Classes of tests that answer what one test says, and are no doubles.
SCRIPTED = {
    "tests/unit/policies/test_policy_machines.py: Slowly",
    "tests/unit/sessions/test_seen_regions.py: Answers",
}

#: What is run over and lies elsewhere: it ships.
SHIPPED = {
    "vmbackup_core.stores.memory.MemoryStore",
    "vmbackup_operator.cli.layered_store.LayeredStore",
}

#: Doubles of what has no suite, from above, or parts of others.
UNCOMPARED = {
    "tests.worlds.memory_archives.MemoryArchiveChains",
    "tests.worlds.memory_containers.MemoryContainers",
    "tests.worlds.memory_policies.MemoryOtherSubscriptions",
    "tests.worlds.memory_repositories.MemoryWays",
    "tests.worlds.memory_repositories.MemoryOpening",
    "tests.worlds.memory_restores.MemoryPointsToRestore",
    "tests.worlds.memory_upkeep.MemoryMirror",
    "tests.worlds.memory_upkeep.MemoryVerifications",
}


@cache
def protocols() -> tuple[str, ...]:
    """Return every Protocol of ours, by its whole name."""
    return tuple(
        f"{_module_name(path)}.{name}"
        for path in modules(*SOURCE_ROOTS)
        if "Protocol" in text_of(path) and "asyncio.Protocol" not in text_of(path)
        for name, bases in classes_of(path)
        if "Protocol" in bases
    )


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts[1:] if part != "__init__")


@cache
def runs() -> tuple[type[Suite], ...]:
    """Return every suite as it is run among the unit tests."""
    found: list[type[Suite]] = []
    for path in modules("tests/unit"):
        if "Facts" not in text_of(path):
            continue
        if not any(base.endswith("Facts") for _, bases in classes_of(path) for base in bases):
            continue
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = importlib.import_module(".".join(parts))
        found += [each for _, each in inspect.getmembers(module, inspect.isclass)
                  if issubclass(each, Suite) and each.__module__ == module.__name__]  # fmt: skip
    return tuple(found)


@cache
def doubled() -> dict[str, set[type]]:
    """Return the ports whose suites are run over a double, with the doubles."""
    found: dict[str, set[type]] = {}
    for run in runs():
        for port in run.ports:
            doubles = {double for double in run.over if _keeps(double, port)}
            if doubles:
                found.setdefault(_name(port), set()).update(doubles)
    return found


def _keeps(double: type, port: type) -> bool:
    """Tell whether the double has all that the port asks for; mypy compares the rest."""
    methods = {name for each in port.__mro__ for name in vars(each) if not name.startswith("_")}
    return all(hasattr(double, name) for name in methods)


def _name(of: type) -> str:
    return f"{of.__module__}.{of.__qualname__}"


def facts_of(suite: type[Suite]) -> list[str]:
    return [name for name in dir(suite) if name.startswith("test_")]


@pytest.mark.parametrize("port", protocols())
def test_a_port_has_a_suite_that_is_run_over_its_double(port: str) -> None:
    assert (port in doubled()) != (port in WITHOUT)


@pytest.mark.parametrize("port", [*WITHOUT])
def test_a_port_that_needs_no_suite_is_there(port: str) -> None:
    assert port in protocols()


def test_every_double_lies_with_the_others_and_is_compared() -> None:
    run_over = {_name(double) for run in runs() for double in run.over}
    there = {
        f"tests.worlds.{path.stem}.{name}"
        for path in modules("tests/worlds")
        for name, _ in classes_of(path)
        if name.startswith("Memory")
    }

    assert {each for each in run_over if not each.startswith("tests.worlds.")} == SHIPPED
    assert there - run_over == UNCOMPARED


def test_no_double_of_the_operators_lies_elsewhere() -> None:
    ports = {
        each.rsplit(".", 1)[-1] for each in protocols() if each.startswith("vmbackup_operator")
    }
    elsewhere = {
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path in modules("tests")
        if path.parent.name not in {"worlds", "ports"}
        for name, bases in classes_of(path)
        if (ports - {"Store"}) & set(bases)
    }

    assert elsewhere == set(SCRIPTED)


@pytest.mark.parametrize("run", runs(), ids=lambda run: run.__name__)
def test_a_suite_says_something(run: type[Suite]) -> None:
    assert facts_of(run)
    assert run.ports


def test_every_suite_is_run_over_an_adapter_too() -> None:
    suites = {
        base.__name__ for run in runs() for base in run.__mro__ if base.__name__.endswith("Facts")
    }
    compared = {
        base
        for path in modules("tests/contract", "tests/cluster")
        for name, bases in classes_of(path)
        if name.startswith("Test")
        for base in bases
    }

    assert not suites - compared

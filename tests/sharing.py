"""A plugin of pytest-xdist's: which files run in one process, and which beside each other.

Each process of a run starts its own control plane, simulated Azure and operator as soon as one of
its tests asks for them. `--dist loadfile` hands the next file to whichever process is free, so that
soon each has all of them; here, those of one group go to one process, in their usual order.

What a group shares ends with the group: a control plane and an operator that nobody asks for any
more take a twentieth of a processor each, until the run ends.

Groups are begun in the order of the list below, the longest first, and all other files behind
them: what begins late is short, and no process goes on alone for minutes at the end. Groups wait
more than they compute, what is last in a run never waits. One process begins at the end, so that
the processors have something to do from the beginning on.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest
from typing_extensions import override
from xdist.scheduler import LoadFileScheduling

from tests import tidiness

if TYPE_CHECKING:
    from _pytest.fixtures import SubRequest
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

#: The files of a group, by how their paths begin; the group that takes longest first. Of the
#: scenarios, which share the most and wait the most, there are four groups: three that take about
#: equally long, and one that takes as long together with the rights, which nothing else shares.
GROUPS = (
    (
        "tests/scenario/test_archive_sessions.py",
        "tests/scenario/test_objects_recreated.py",
        "tests/scenario/test_other_subscriptions.py",
        "tests/scenario/test_refusals.py",
        "tests/scenario/test_two_machines.py",
        "tests/scenario/test_worker_lost.py",
    ),
    (
        "tests/scenario/test_new_chains.py",
        "tests/scenario/test_operator_ended.py",
        "tests/scenario/test_rehydrated_restores.py",
        "tests/scenario/test_restore_sessions.py",
        "tests/scenario/test_restored_machines.py",
        "tests/scenario/test_rewind_sessions.py",
        "tests/scenario/test_rewritten_rewinds.py",
    ),
    (
        "tests/scenario/test_idle_operator.py",
        "tests/scenario/test_incremental_backups.py",
        "tests/scenario/test_killed_at_each_step.py",
        "tests/scenario/test_operator_killed.py",
        "tests/scenario/test_progress_shown.py",
        "tests/scenario/test_sessions_ended_early.py",
        "tests/scenario/test_verify_sessions.py",
    ),
    (
        "tests/contract/azure_services/test_azure_services_remains.py",
        "tests/contract/azure_services/test_azure_services_repositories.py",
        "tests/contract/azure_services/test_azure_services_restore_targets.py",
        "tests/contract/azure_services/test_azure_services_rewinds.py",
        "tests/contract/azure_services/test_azure_services_rights.py",
        "tests/contract/azure_services/test_azure_services_s",
        "tests/contract/azure_services/test_azure_services_tiers.py",
        "tests/contract/azure_services/test_azure_services_w",
    ),
    ("tests/contract/azure_services/",),
    ("tests/scenario/test_rights.py",),
    (
        "tests/scenario/test_gitops_by_flux.py",
        "tests/scenario/test_two_operators.py",
        "tests/scenario/test_ways_taken_away.py",
    ),
    (
        "tests/cluster/test_ad",
        "tests/cluster/test_control_plane.py",
        "tests/cluster/test_crds_",
        "tests/cluster/test_examples_and_rights.py",
        "tests/cluster/test_gitops.py",
        "tests/cluster/test_kubectl_plugin.py",
        "tests/cluster/test_leadership.py",
        "tests/cluster/test_policies_on_the_api_server.py",
        "tests/cluster/test_sessions_watched.py",
    ),
    ("tests/chart/",),
    ("tests/contract/clients/",),
    (
        "tests/scenario/worker/test_agent_",
        "tests/scenario/worker/test_trust.py",
    ),
    ("tests/scenario/worker/",),
    ("tests/cluster/test_operator_process.py",),
    ("tests/contract/simulator_storage/",),
    (
        "tests/contract/test_azure_blob_failures.py",
        "tests/contract/test_export_of_azurite.py",
        "tests/contract/test_repository_on_azure.py",
        "tests/contract/test_stores.py",
    ),
    ("tests/soak/survival/",),
)

#: At which place a group is begun, by what it is called.
PLACES = {group[0]: place for place, group in enumerate(GROUPS)}


class SharingScheduling(LoadFileScheduling):
    """Hands out a group of files at once, every other file by itself, and from both ends."""

    @override
    def _assign_work_unit(self, node: WorkerController) -> None:
        in_order = sorted(self.workqueue, key=lambda group: PLACES.get(group, len(PLACES)))
        chosen = in_order[-1 if node is self.nodes[-1] else 0]
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)

    @override
    def _reschedule(self, node: WorkerController) -> None:
        # A process needs to know of another test to begin its last one. Two ahead, as by default,
        # are minutes here: meanwhile one that has nothing to do might have begun that group.
        if self.workqueue and self._pending_of(self.assigned_work[node]) > 1:
            return
        super()._reschedule(node)

    @override
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0])


def group_of(path: str) -> str:
    """Return what a file's group is called, which is the file itself where it shares nothing."""
    for group in GROUPS:
        if path.startswith(group):
            return group[0]
    return path


#: Said to a process that it runs whole groups, so that none comes back.
WHOLE_GROUPS = "whole groups"

#: What a process's fixtures for more than a module have made since its group began, in their order.
MADE = pytest.StashKey["list[tuple[pytest.FixtureDef[object], SubRequest]]"]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Say to a process whether it runs whole groups."""
    node.workerinput[WHOLE_GROUPS] = node.config.getvalue("dist") == "loadfile"


def pytest_configure(config: pytest.Config) -> None:
    """Have what a group shares noted where this is a process of whole groups."""
    if getattr(config, "workerinput", {}).get(WHOLE_GROUPS):
        config.stash[MADE] = []


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object], request: SubRequest) -> None:
    """Note a fixture of a folder that would last until the run ends."""
    if MADE in request.config.stash and tidiness.is_wide(fixturedef) and fixturedef.baseid:
        request.config.stash[MADE].append((fixturedef, request))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """End what a group shares behind its last test, and fail that where something is left."""
    yield
    if nextitem is None or MADE not in item.config.stash or _group(item) == _group(nextitem):
        return  # the run's own end ends the rest
    made, item.config.stash[MADE] = item.config.stash[MADE], []
    with ExitStack() as ending:
        if made:
            ending.callback(tidiness.look_behind, f"The group of {_group(item)}", item.config)
        for fixture, request in made:
            ending.callback(partial(fixture.finish, request))


def _group(item: pytest.Item) -> str:
    return group_of(item.nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharingScheduling | None:
    """Return the scheduling by groups in place of that by files."""
    return SharingScheduling(config, log) if config.getvalue("dist") == "loadfile" else None

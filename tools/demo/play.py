"""The demo's parts in their order, each with what it promises."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tools.demo import (
    archived,
    azure_clients,
    changes,
    facts,
    figures,
    handover,
    increments,
    needs,
    restored,
    restores,
    sessions,
    upkeep,
)
from tools.demo.afterwards import Afterwards
from tools.demo.disks import CommandLine
from tools.demo.evidence import REPOSITORY_HOST, Evidence
from tools.demo.interruption import Interruption
from tools.demo.narration import FactBroken, Narrator, people_bytes
from tools.demo.release import Release
from tools.local_cloud import seed
from tools.local_cloud.administrator import Administrator
from tools.local_cloud.azure import simulated_azure
from tools.local_cloud.control_plane import WORKLOADS, ControlPlane, control_plane
from tools.local_cloud.installation import (
    EXAMPLES,
    USER_NAMESPACE,
    example,
    put_off_upkeep,
)
from tools.local_cloud.kubernetes_user import KubernetesUser
from tools.local_cloud.seed import SeededDisk

#: A session of the demo takes a minute or two; this is when it has hung.
SESSION_LIMIT_S = 900
#: How much faster than Azure its operations end: what lasts is how often the product looks.
SPEED = 60
REPOSITORY = f"https://{REPOSITORY_HOST}/{seed.REPOSITORY_CONTAINER}"
ARCHIVES = f"https://{REPOSITORY_HOST}/{archived.CONTAINER}"


class Play:
    """What runs is entered into *running*, so that it ends however the demo ends."""

    def __init__(self, narrator: Narrator, folder: Path, running: ExitStack) -> None:
        self._narrator = narrator
        self._folder = folder
        self._running = running
        self._disks = seed.plan_disks(folder / "disks")
        self._figures: list[figures.SessionFigures] = []
        self._known: set[str] = set()
        #: The VM's disks as they were at the time of each run, in the runs' order.
        self._points: dict[str, list[SeededDisk]] = {}
        self._packs = 0

    def run(self) -> None:
        """Play every part; raise FactBroken where a promise does not hold."""
        bundle = self._folder / "bundle"
        needs.make_ready(self._narrator, bundle)
        self._start_azure_and_control_plane(bundle)
        self._install()
        self._first_backup(bundle)
        self._second_backup()
        self._restores_and_upkeep()
        self._without_operator()
        times = self._narrator.times()
        self._narrator.part("Figures")
        self._narrator.say(times)
        self._narrator.say(figures.figures_table(self._figures))

    def leave_running(self) -> None:
        """Start again what was stopped, with all that it held, and say how to use it."""
        self._narrator.part("8  Left running")
        with self._narrator.step("control plane, nodes and operators, with what they had"):
            self._plane.start_again()
            self._release.start_again()
        path = self._folder / "environment"
        values = handover.variables(self._ready, self._plane.administrator.kubeconfig)
        values |= azure_clients.variables(self._ready, self._folder)
        folders = [*handover.programs(), *azure_clients.programs()]
        written = handover.write_environment(path, values, folders)
        print(f"\nFor kubectl, vmbackup and any Azure client, in another terminal: . {path}\n")
        self._narrator.say(written)
        print("\nThen, for example:\n")
        self._narrator.say(handover.to_try(REPOSITORY, self._repository_key, self._folder))
        print(
            "\nTo stop the operators, and to start them again, in such a terminal, at any moment:\n"
        )
        self._narrator.say(handover.to_restart())
        print("\nWith Azure CLI, yours or the one that `make clients` installs:\n")
        self._narrator.say(azure_clients.to_try())

    def _start_azure_and_control_plane(self, bundle: Path) -> None:
        """Start both; a user's things are put into Azure while Kubernetes starts."""
        say = self._narrator
        say.part("2  Azure, simulated, and Kubernetes")
        with say.step(f"Azure's services, {SPEED} times as fast as the real ones"):
            self._ready: dict[str, Any] = self._running.enter_context(
                simulated_azure(self._folder / "azure", speed=SPEED)
            )
            self._azure = Administrator(self._ready)
        with say.meanwhile("what a user has: networks, a VM, an account, roles", self._seed):
            with say.step("etcd, API server and controller manager"):
                self._plane: ControlPlane = self._running.enter_context(
                    control_plane(self._folder / "kubernetes", WORKLOADS)
                )
            with say.step("two nodes, and what a user has in the cluster: namespaces, Secrets"):
                nodes = self._folder / "nodes"
                self._release = Release(self._plane, self._ready, bundle, nodes)
                self._repository_key = self._release.prepare(self._folder)
                self._release.run_nodes(self._running)

    def _seed(self) -> None:
        """Make the VM's disks (ext4, random bytes and text, nothing), and put all into Azure."""
        seed.make_disks(self._disks)
        seed.seed(self._azure, self._disks)

    def _install(self) -> None:
        say = self._narrator
        say.part("3  vmbackup, by its chart")
        with say.step("helm install --wait: two replicas, each on a node of its own"):
            self._release.install()
        say.say(self._release.pods())
        with say.step("helm test: each replica answers that it is ready"):
            self._release.test()
        say.say(f"{self._release.leading().pod.name} leads")
        self._say_memory("idle")

    def _first_backup(self, bundle: Path) -> None:
        self._narrator.part("4  First backup: kubectl apply -f examples/")
        self._plane.administrator.apply(EXAMPLES)
        put_off_upkeep(self._plane)
        self._wait_until_policy_is_seen()
        evidence = Evidence(self._azure, self._plane, self._disks, bundle=bundle)
        evidence.hold_first_pack(evidence.keep_sas)
        self._trigger("first")
        session = self._back_up(evidence, self._disks)
        self._check(facts.FIRST_BACKUP, evidence, session)
        self._narrator.holds("an old SAS is refused", evidence.old_sas_complaints())

    def _second_backup(self) -> None:
        say = self._narrator
        say.part("5  Second backup, of what has changed; the operator is killed in its middle")
        folder = self._folder / "changed"
        with say.step("the VM goes on: files by debugfs -w, blocks of the other disks"):
            after = changes.changed_disks(self._disks, folder)
            changed = changes.changed_extents(self._disks, after)
            changes.write_in_vm(self._azure, after, changed, folder / "pieces")
        say.say(changes.told(changed))
        evidence = Evidence(self._azure, self._plane, after, changed=changed)
        interruption = Interruption(say, self._azure, self._release, evidence)
        evidence.hold_first_pack(interruption.kill)
        self._trigger("again")
        session = self._back_up(evidence, after)
        self._check(increments.SECOND_BACKUP, evidence, session)
        say.holds(
            "the worker went on while there was no operator",
            list(interruption.complaints(evidence.entries())),
        )
        self._say_memory("after two sessions and a start in the middle of one")

    def _restores_and_upkeep(self) -> None:
        """Have both points restored, one archived, and a pass of upkeep look at what is stored."""
        say, user = self._narrator, self._plane.administrator
        say.part(
            "6  Both points restored, the latest archived, and upkeep reads back what is stored"
        )
        evidence = Evidence(self._azure, self._plane, self._disks)
        wanted = restores.wanted(self._points)
        with say.step("the pod that leads is deleted: the other replica leads"):
            self._release.delete_leader()
        with say.step("three sessions at once: worker.maxCount of the RegionEnvironment is 3"):
            restores.allow_workers(user, len(wanted) + 1)
        with say.step(f"a repository for archives, whose packs go to {archived.TIER}"):
            archived.begin_repository(self._azure, user)
        upkeep.ask_for_a_pass(user)
        archiving = self._archive(user)
        for each in wanted:
            user.create(each.manifest(restores.point_of(user, each.run_id)))
        reading = self._next()
        asked_for = [self._followed(sessions.RESTORES, each.name) for each in wanted]
        restoring = self._follow(evidence, *asked_for, archiving, reading, until=asked_for)
        for each, session in zip(wanted, restoring, strict=True):
            self._must_succeed(session, sessions.RESTORES)
            self._restored(each, session)
        say.say(figures.restores_table(restoring))
        scene = restores.scene(self._azure, wanted, restoring)
        self._assert(restored.RESTORES, evidence, scene)
        copied, read_back = self._follow(evidence, archiving, reading)
        self._assert(restored.AFTER_ALL, evidence, scene)
        self._archived(evidence, copied)
        self._end_of_upkeep(evidence, read_back)

    def _archive(self, user: KubernetesUser) -> sessions.Followed:
        """Ask for a copy of the latest point, and follow it; the next session is another."""
        *_, latest = self._points
        user.create(archived.session_of(restores.point_of(user, latest)))
        followed = self._followed(sessions.BACKUPS, archived.SESSION)
        self._known.add(archived.SESSION)
        return followed

    def _assert(
        self, rules: restored.RestoreRules, evidence: Evidence, scene: restored.RestoredScene
    ) -> None:
        entries = evidence.entries()
        for rule in rules:
            self._narrator.holds(rule.__name__.replace("_", " "), list(rule(entries, scene)))

    def _restored(self, wanted: restores.Restore, session: Any) -> None:
        """See that what was made is what the VM had at the time of the point."""
        made = restores.MadeDisks(self._azure, wanted, session)
        self._narrator.holds(
            f"{wanted.name}: every byte of every disk is what it was at that point",
            list(made.differences()),
        )
        self._narrator.say(f"e2fsck -fn: {made.check_file_system()}")
        if wanted.vm_name:
            machines = restores.machines(self._azure, session)
            self._narrator.holds(
                f"{wanted.vm_name} is as {seed.VM_NAME} was, with the restored disks",
                list(restores.machine_complaints(*machines, made.ids)),
            )

    def _archived(self, evidence: Evidence, session: Any) -> None:
        """See where the archive was made, by whom, and that it was read back."""
        say = self._narrator
        self._must_succeed(session, sessions.BACKUPS)
        self._archive_run = str(session["status"]["runId"])
        entries = evidence.entries()
        made = archived.copying(entries, REPOSITORY_HOST)
        region = str(example("repository.yaml")["spec"]["region"])
        say.say(archived.figures(session, region, made))
        say.holds(
            f"it was copied by one worker, in {region} beside the backup repository",
            list(archived.copied_by_one_worker_in(region, made, self._region_of)),
        )
        say.holds(
            "its worker reads what it is told, creates, and neither lists nor deletes",
            list(archived.its_worker_reads_by_name_and_creates(entries, made, REPOSITORY_HOST)),
        )
        say.holds("all of it was read back", list(archived.not_read_back(session, made)))

    def _region_of(self, machine: str) -> str:
        return str(self._azure.read(machine, "2024-03-01")["location"])

    def _end_of_upkeep(self, evidence: Evidence, reading: Any) -> None:
        """Wait for the pass's end, and see that it found nothing."""
        say, user = self._narrator, self._plane.administrator
        with say.step("the pass of upkeep has ended"):
            jobs = upkeep.wait_for_its_end(user, 120)
        say.say(upkeep.jobs_table(jobs))
        say.holds("every job is done, and found nothing", list(upkeep.troubles(jobs)))
        say.holds(
            "a worker has read back every pack that the backups stored, and compared blocks",
            list(upkeep.unread(reading, self._packs)),
        )
        say.holds(
            "no worker has put anything into the repository",
            list(
                upkeep.stored_by_workers(
                    evidence.entries(), REPOSITORY_HOST, seed.REPOSITORY_CONTAINER
                )
            ),
        )
        self._refused_nothing()

    def _say_memory(self, when: str) -> None:
        held = people_bytes(self._release.resident_bytes())
        self._narrator.say(f"the operator that leads holds {held} of memory, {when}")

    def _wait_until_policy_is_seen(self) -> None:
        """Wait for the operator: a trigger that is there before its first look asks for nothing."""
        self._plane.administrator.kubectl(
            "wait",
            "--for=jsonpath={.status.applianceId}",
            f"backuppolicy/{example('policy.yaml')['metadata']['name']}",
            f"--namespace={USER_NAMESPACE}",
            "--timeout=60s",
        )

    def _trigger(self, token: str) -> None:
        """Ask for a backup now, as README says."""
        policy = example("policy.yaml")["metadata"]["name"]
        self._plane.administrator.kubectl(
            "annotate",
            "backuppolicy",
            policy,
            f"--namespace={USER_NAMESPACE}",
            f"vmbackup.dev/trigger={token}",
            "--overwrite",
        )

    def _followed(self, kind: sessions.Kind, name: str = "") -> sessions.Followed:
        user, known = self._plane.administrator, self._known
        return sessions.Followed(user, USER_NAMESPACE, kind, name, known)

    def _next(self) -> sessions.Followed:
        """Return the BackupSession that the operator is about to make."""
        return self._followed(sessions.BACKUPS)

    def _follow(
        self,
        evidence: Evidence,
        *wanted: sessions.Followed,
        until: Sequence[sessions.Followed] = (),
    ) -> list[Any]:
        """Show the sessions, and return them when all, or those of *until*, have ended."""

        def look() -> None:
            evidence.look()
            if complaints := self._release.complaints():
                raise FactBroken("; ".join(complaints))

        ended = sessions.watch(
            wanted,
            self._narrator.say,
            limit_s=SESSION_LIMIT_S,
            meanwhile=look,
            until=until,
        )
        self._known |= {each.name for each in wanted}
        return ended

    def _must_succeed(self, session: Any, kind: sessions.Kind) -> None:
        if session["status"]["outcome"] != "Succeeded":
            name = session["metadata"]["name"]
            words = ("describe", kind.plural, name, f"--namespace={USER_NAMESPACE}")
            described = self._plane.administrator.kubectl(*words)
            raise FactBroken(f"{name} did not succeed:\n{described}")

    def _back_up(self, evidence: Evidence, disks: list[SeededDisk]) -> Any:
        """Follow the next session, which backs *disks* up, to its end and return it."""
        began = time.monotonic()
        (session,) = self._follow(evidence, self._next())
        self._must_succeed(session, sessions.BACKUPS)
        seconds = time.monotonic() - began
        self._points[session["status"]["runId"]] = disks
        self._packs += upkeep.packs_put(evidence.entries(), REPOSITORY_HOST)
        self._figures.append(figures.session_figures(session, evidence, disks, seconds))
        return session

    def _check(self, rules: facts.Rules, evidence: Evidence, session: Any) -> None:
        entries, scene = evidence.entries(), evidence.scene(session)
        for rule in rules:
            title = rule.__name__.replace("_", " ")
            self._narrator.holds(title, list(rule(entries, scene)))
        self._refused_nothing()

    def _refused_nothing(self) -> None:
        audit = self._plane.audited()
        self._narrator.holds(
            "the API server refused the operator nothing", list(facts.nothing_refused(audit))
        )

    def _without_operator(self) -> None:
        self._narrator.part("7  Without operator and cluster")
        with self._narrator.step("operators, nodes and control plane stopped"):
            self._release.stop()
            self._plane.stop()
        backups, archives = (
            CommandLine(url, self._repository_key, self._ready) for url in (REPOSITORY, ARCHIVES)
        )
        *_, latest = self._points.values()
        folder = self._folder / "from-the-archive"
        alone = archived.ArchiveAlone(archives, folder, self._archive_run, latest)
        Afterwards(self._narrator, backups, self._folder, self._points, alone).play()

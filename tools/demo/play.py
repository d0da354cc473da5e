"""The demo's parts in their order, each with what it promises."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tools.bundle import build
from tools.demo import (
    azure_clients,
    disks,
    facts,
    figures,
    handover,
    other_reader,
    sessions,
    upkeep,
)
from tools.demo.evidence import REPOSITORY_HOST, Evidence
from tools.demo.narration import FactBroken, Narrator, people_bytes
from tools.local_cloud import azurite, disk_images, seed
from tools.local_cloud.administrator import Administrator
from tools.local_cloud.azure import SPEED, simulated_azure
from tools.local_cloud.control_plane import ControlPlane, control_plane
from tools.local_cloud.installation import (
    EXAMPLES,
    USER_NAMESPACE,
    Installation,
    example,
    install,
    put_off_upkeep,
)
from tools.local_cloud.kubernetes_programs import kubernetes_program
from tools.local_cloud.toolchains import kubectl
from tools.local_cloud.worker_python import WANTED, worker_python

#: A session of the demo takes a minute or two; this is when it has hung.
SESSION_LIMIT_S = 900
REPOSITORY = (
    f"https://{seed.REPOSITORY_ACCOUNT_ID.rsplit('/', 1)[1]}.blob.core.windows.net"
    f"/{seed.REPOSITORY_CONTAINER}"
)


class Play:
    """What runs is entered into *running*, so that it ends however the demo ends."""

    def __init__(self, narrator: Narrator, folder: Path, running: ExitStack) -> None:
        self._narrator = narrator
        self._folder = folder
        self._running = running
        self._disks = seed.plan_disks(folder / "disks")
        self._figures: list[figures.SessionFigures] = []
        self._known: set[str] = set()
        self._packs = 0

    def run(self) -> None:
        """Play every part; raise FactBroken where a promise does not hold."""
        bundle = self._set_up()
        self._start_control_plane()
        self._start_azure()
        self._start_operator(bundle)
        self._first_backup(bundle)
        self._second_backup()
        self._upkeep()
        self._without_operator()
        self._narrator.part("Figures")
        self._narrator.say(figures.figures_table(self._figures))

    def leave_running(self) -> None:
        """Start again what was stopped, with all that it held, and say how to use it."""
        self._narrator.part("8  Left running")
        with self._narrator.step("control plane and operator, with what they had"):
            self._plane.start_again()
            self._installed.operator.start()
        path = self._folder / "environment"
        values = handover.variables(self._ready, self._plane.administrator.kubeconfig)
        values |= azure_clients.variables(self._ready, self._folder)
        folders = [*handover.programs(), *azure_clients.programs()]
        written = handover.write_environment(path, values, folders)
        print(f"\nFor kubectl, vmbackup and any Azure client, in another terminal: . {path}\n")
        self._narrator.say(written)
        print("\nThen, for example:\n")
        self._narrator.say(
            handover.to_try(REPOSITORY, self._installed.repository_key, self._folder)
        )
        print("\nTo stop the operator, and to start it again in such a terminal, at any moment:\n")
        self._narrator.say(handover.to_restart(self._installed.operator))
        print("\nWith Azure CLI, yours or the one that `make clients` installs:\n")
        self._narrator.say(azure_clients.to_try())

    def _set_up(self) -> Path:
        say = self._narrator
        say.part("1  What the demo needs")
        with say.step("kube-apiserver, kube-controller-manager, etcd (built once, ~5 minutes)"):
            for name in ("etcd", "kube-apiserver", "kube-controller-manager"):
                kubernetes_program(name)
        with say.step("kubectl, Node and Azurite"):
            kubectl()
            azurite.installed()
        python = worker_python()
        with say.step(f"the worker's bundle, for Python {python.version}"):
            bundle = self._folder / "bundle"
            build(python.version, bundle)
        for unfit in python.passed_over:
            say.say(f"passed over: {unfit}")
        if python.version != WANTED:
            say.say(f"no Python {WANTED} found: the workers' image has {python.version}")
        with say.step("the VM's disks: ext4, random bytes and text, nothing"):
            seed.make_disks(self._disks)
        return bundle

    def _start_control_plane(self) -> None:
        self._narrator.part("2  Kubernetes")
        with self._narrator.step("etcd, API server and controller manager"):
            self._plane: ControlPlane = self._running.enter_context(
                control_plane(self._folder / "kubernetes")
            )

    def _start_azure(self) -> None:
        self._narrator.part("3  Azure, simulated")
        with self._narrator.step(f"its services, {SPEED} times as fast as the real ones"):
            self._ready: dict[str, Any] = self._running.enter_context(
                simulated_azure(self._folder / "azure")
            )
            self._azure = Administrator(self._ready)
        with self._narrator.step("what a user already has: networks, a VM, an account, roles"):
            seed.seed(self._azure, self._disks)

    def _start_operator(self, bundle: Path) -> None:
        self._narrator.part("4  vmbackup")
        with self._narrator.step("CRDs, rights, keys and settings"):
            self._installed: Installation = install(
                self._plane, self._ready, bundle, self._folder / "operator"
            )
        with self._narrator.step("the operator, with a ServiceAccount's token"):
            self._running.callback(self._installed.operator.stop)
            self._installed.operator.start()
        self._say_memory("idle")

    def _first_backup(self, bundle: Path) -> None:
        self._narrator.part("5  First backup: kubectl apply -f examples/")
        self._plane.administrator.apply(EXAMPLES)
        put_off_upkeep(self._plane)
        self._wait_until_policy_is_seen()
        evidence = Evidence(self._azure, self._plane, bundle, self._disks)
        self._trigger("first")
        session = self._back_up(evidence)
        self._check(facts.FIRST_BACKUP, evidence, session)
        self._narrator.holds("an old SAS is refused", evidence.old_sas_complaints())

    def _second_backup(self) -> None:
        self._narrator.part("6  Second backup, of the unchanged VM")
        evidence = Evidence(self._azure, self._plane, None, self._disks)
        self._trigger("again")
        session = self._back_up(evidence)
        self._check(facts.SECOND_BACKUP, evidence, session)
        self._say_memory("after two sessions")

    def _upkeep(self) -> None:
        """Ask for the repository's upkeep, and follow it to its end."""
        self._narrator.part("7  Upkeep: what is stored is looked at and read back")
        evidence = Evidence(self._azure, self._plane, None, self._disks)
        user = self._plane.administrator
        upkeep.ask_for_a_pass(user)
        session = self._follow(evidence, within_s=120)
        with self._narrator.step("the pass has ended"):
            jobs = upkeep.wait_for_its_end(user, 120)
        self._narrator.say(upkeep.jobs_table(jobs))
        self._narrator.holds("every job is done, and found nothing", list(upkeep.troubles(jobs)))
        self._narrator.holds(
            "a worker has read back every pack that the backups stored, and compared blocks",
            list(upkeep.unread(session, self._packs)),
        )
        self._narrator.holds(
            "and has put nothing into the repository",
            list(upkeep.stored_by_workers(evidence.entries(), REPOSITORY_HOST)),
        )

    def _say_memory(self, when: str) -> None:
        held = people_bytes(self._installed.operator.resident_bytes())
        self._narrator.say(f"the operator holds {held} of memory, {when}")

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

    def _follow(self, evidence: Evidence, *, within_s: float) -> Any:
        """Show the session that is made *within_s* seconds, and return it when it has ended."""
        user = self._plane.administrator
        name = sessions.wait_for_session(user, USER_NAMESPACE, self._known, within_s)
        self._known.add(name)
        return sessions.watch(
            user,
            USER_NAMESPACE,
            name,
            self._narrator.say,
            limit_s=SESSION_LIMIT_S,
            meanwhile=evidence.look,
        )

    def _back_up(self, evidence: Evidence) -> Any:
        """Follow the next session to its end and return it."""
        user, began = self._plane.administrator, time.monotonic()
        session = self._follow(evidence, within_s=60)
        if session["status"]["outcome"] != "Succeeded":
            name = session["metadata"]["name"]
            described = user.kubectl("describe", "bses", name, f"--namespace={USER_NAMESPACE}")
            raise FactBroken(f"{name} did not succeed:\n{described}")
        seconds = time.monotonic() - began
        self._packs += upkeep.packs_put(evidence.entries(), REPOSITORY_HOST)
        self._figures.append(figures.session_figures(session, evidence, self._disks, seconds))
        return session

    def _check(self, rules: facts.Rules, evidence: Evidence, session: Any) -> None:
        entries, scene = evidence.entries(), evidence.scene(session)
        for rule in rules:
            title = rule.__name__.replace("_", " ")
            self._narrator.holds(title, list(rule(entries, scene)))
        audit = self._plane.audited()
        self._narrator.holds(
            "the API server refused the operator nothing", list(facts.nothing_refused(audit))
        )

    def _without_operator(self) -> None:
        self._narrator.part("8  Without operator and cluster")
        with self._narrator.step("operator and control plane stopped"):
            self._installed.operator.stop()
            self._plane.stop()
        line = disks.CommandLine(REPOSITORY, self._installed.repository_key, self._ready)
        self._narrator.say(line.run("list"))
        with self._narrator.step("vmbackup repository check --read-data"):
            self._narrator.say(line.run("check", "--read-data"))
        points = line.points()
        for point in points:
            self._restore(line, point["runId"])
        self._read_by_another(len(points))

    def _restore(self, line: disks.CommandLine, run_id: str) -> None:
        folder = self._folder / "restored" / run_id
        with self._narrator.step(f"vmbackup repository restore --point {run_id} --all"):
            line.run("restore", "--point", run_id, "--all", "--to", str(folder))
        self._narrator.holds(
            "every byte of every disk is what it was at the snapshot",
            list(disks.differences(self._disks, folder)),
        )
        system = disks.restored_file(self._disks[0], folder)
        self._narrator.say(f"e2fsck -fn: {disk_images.check_file_system(system)}")

    def _read_by_another(self, points: int) -> None:
        """Have the repository read by a program that knows the format's page and nothing of us."""
        reader = other_reader.OtherReader(
            REPOSITORY, self._installed.repository_key, self._folder / "copied", self._ready
        )
        with self._narrator.step("both containers copied into a folder"):
            reader.copy()
        with self._narrator.step("read by a program written from the format's page alone"):
            report = reader.read()
        self._narrator.holds(
            "it finds nothing wrong, and every byte of every disk",
            list(reader.complaints(report, self._disks, points)),
        )

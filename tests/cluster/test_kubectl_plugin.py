"""``kubectl vmbackup`` at a real API server: by kubectl, and with the rights that users have."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from tests.cluster.plugin_user import Plugin, loaded_plugin, user
from tests.worlds.backed_up_team import team
from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.kubernetes_user import KubernetesUser
from tools.local_cloud.loading import Loaded
from tools.local_cloud.toolchains import kubectl
from vmbackup_operator.cluster.connection import connected
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.model.kinds import Resource

AsUser = Callable[[KubernetesUser, str], Plugin]

pytestmark = pytest.mark.control_plane


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    with loaded_plugin(tmp_path_factory.mktemp("plugin")) as program:
        yield program


@pytest.fixture
def as_user(loaded: Loaded, tmp_path: Path) -> AsUser:
    """Returns the plugin as somebody, whose kubeconfig says the namespace."""
    return partial(Plugin, loaded, tmp_path)


@pytest.fixture
async def filled(installed: ControlPlane, namespace: str) -> str:
    """A namespace with objects in all phases."""
    there = team(namespace)
    async with connected(str(installed.administrator.kubeconfig)) as made:
        every: tuple[Resource, ...] = (
            *there.policies, *there.sessions, *there.restores, *there.repositories, *there.points,
        )  # fmt: skip
        for each in every:
            kind = Objects(made, type(each))
            stored = await kind.create(each)
            await kind.write_status(replace(stored, status=each.status))
    return namespace


@pytest.fixture
def plugin(as_user: AsUser, installed: ControlPlane, filled: str) -> Plugin:
    """The plugin as somebody who may look, operate and restore."""
    roles = ("vmbackup-view", "vmbackup-operate", "vmbackup-restore")
    return as_user(user(installed, filled, *roles), filled)


def stored(plane: ControlPlane, namespace: str, plural: str, name: str) -> Any:
    return plane.administrator.find(namespace, plural, name)


def test_status_shows_policies_and_what_needs_somebody(plugin: Plugin, filled: str) -> None:
    text = plugin.said("status")
    parsed = json.loads(plugin.said("status", "-o", "json"))

    title = " ".join(text.splitlines()[0].split())
    assert title == "POLICY VMS LAST SUCCESS NEXT RPO ACTIVE STATE"
    assert "bses/nightly-q6woui-202611270030" in text
    assert "3 sessions are under way." in text
    assert "\x1b" not in text
    assert [each["name"] for each in parsed["policies"]] == ["nightly", "weekly"]
    assert {each["reason"] for each in parsed["attention"]} >= {
        "SwapNotConfirmed", "VirtualMachineNotFound", "TransferInterrupted", "CheckFindings",
    }  # fmt: skip
    assert {each["namespace"] for each in parsed["attention"]} == {filled}


def test_lists_are_the_objects_themselves(
    plugin: Plugin, installed: ControlPlane, filled: str
) -> None:
    listed = yaml.safe_load(plugin.said("sessions", "-o", "yaml"))["items"]
    failed = json.loads(plugin.said("sessions", "--failed", "-o", "json"))["items"]
    points = plugin.said("points", "--vm", "WEB-01").splitlines()

    assert len(listed) == 7
    assert [each["metadata"]["name"] for each in failed] == ["nightly-q6woui-202611270030"]
    (there,) = (each for each in listed if each["metadata"]["name"] == "web-01-back")
    theirs = stored(installed, filled, "restoresessions", "web-01-back")
    assert there["spec"]["target"] == theirs["spec"]["target"]
    assert there["status"]["phase"] == theirs["status"]["phase"]
    assert len(points) == 3


def test_the_plan_names_slots_and_vms(plugin: Plugin) -> None:
    text = plugin.said("policy", "plan", "nightly", "--slots", "2")

    assert "rg-production/legacy-09   no backup   DiskNotSupported" in text
    assert "waits       until session nightly-4xk2ab-202611270030 has ended" in text
    assert len(json.loads(plugin.said("policy", "plan", "nightly", "-o", "json"))["slots"]) == 3


def test_run_sets_the_trigger_to_another_value_each_time(
    plugin: Plugin, installed: ControlPlane, filled: str
) -> None:
    def trigger() -> str:
        there = stored(installed, filled, "backuppolicies", "nightly")
        return str(there["metadata"]["annotations"]["vmbackup.dev/trigger"])

    said = plugin.said("run", "nightly")
    first = trigger()
    plugin.said("run", "nightly")

    assert "a backup of 4 VMs is asked for" in said
    assert trigger() != first
    assert "PolicySuspended" in plugin.refused("run", "weekly")


def test_run_of_one_vm_makes_its_session(
    plugin: Plugin, installed: ControlPlane, filled: str
) -> None:
    said = plugin.said("run", "nightly", "--vm", "web-02")

    name = said.split()[0].removeprefix("bses/")
    made = stored(installed, filled, "backupsessions", name)["spec"]
    assert made["virtualMachineId"].endswith("/virtualMachines/web-02")
    assert made["policyRef"] == {"name": "nightly"}
    assert made["retention"]["daily"] == 14
    assert "UnknownVirtualMachine" in plugin.refused("run", "nightly", "--vm", "legacy-09")


def test_retry_and_cancel_do_what_the_annotation_and_the_field_do(
    plugin: Plugin, installed: ControlPlane, filled: str
) -> None:
    name = "nightly-4xk2ab-202611270030"
    plugin.said("retry", name)
    plugin.said("cancel", f"bses/{name}")
    plugin.said("cancel", "rses/web-01-back")

    session = stored(installed, filled, "backupsessions", name)
    assert session["metadata"]["annotations"]["vmbackup.dev/retry"]
    assert session["spec"]["cancel"] is True
    restore = stored(installed, filled, "restoresessions", "web-01-back")
    assert restore["spec"]["cancel"] is True
    assert "SessionEnded" in plugin.refused("retry", "nightly-q6woui-202611270030")
    assert "SessionEnded" in plugin.refused("cancel", "web-01-again")
    assert "NotPausing" in plugin.refused("retry", "nightly-ijmemm-202611270030")


def test_watch_ends_with_the_session_and_says_how(plugin: Plugin) -> None:
    good = plugin.run("watch", "nightly-txpgws-202611270030")
    bad = plugin.run("watch", "bses/nightly-q6woui-202611270030")

    assert (good.returncode, bad.returncode) == (0, 1)
    assert "Complete 100% 2.4 GiB of 2.4 GiB" in good.stdout
    assert "Failed: VirtualMachineNotFound" in bad.stdout


def test_who_stops_watching_is_told_so_and_harms_nothing(
    plugin: Plugin, installed: ControlPlane, filled: str
) -> None:
    name = "nightly-ijmemm-202611270030"
    # A shell cannot take back that it was started with SIGINT ignored, as in the background.
    watch = f"env --default-signal=INT kubectl-vmbackup watch {name}"
    ended = plugin.shell(
        f"set -m; {watch} >said 2>&1 & watching=$!\n"
        "until grep -q Transferring said; do sleep 0.2; done\n"
        "kill -INT $watching; wait $watching; echo $? >>said; cat said"
    )

    assert "Transferring 46%" in ended.stdout
    assert ended.stdout.splitlines()[-2:] == ["kubectl-vmbackup: interrupted", "130"]
    assert not stored(installed, filled, "backupsessions", name)["spec"].get("cancel")


def test_a_restore_is_made_as_its_dry_run_shows_it(
    plugin: Plugin, installed: ControlPlane, filled: str
) -> None:
    words = ("restore", "--vm", "web-01", "--disk", "os", "--name", "back", "--resource-group", "x")
    manifest = yaml.safe_load(plugin.said(*words, "--dry-run"))
    before = installed.administrator.find(filled, "restoresessions")["items"]
    plugin.said(*words)

    made = stored(installed, filled, "restoresessions", "back")["spec"]
    assert "back" not in [each["metadata"]["name"] for each in before]
    assert made["target"] == manifest["spec"]["target"]
    assert made["target"]["region"] == "northeurope"  # the session that made the point says it
    assert made["disks"] == manifest["spec"]["disks"] == ["os"]
    assert "RefusedByCluster" in plugin.refused(*words, "--vm-name", "x")


def test_a_report_holds_objects_and_says_what_it_left_out(plugin: Plugin, filled: str) -> None:
    ended = plugin.run("report", "--output-file", "r.tar.gz")
    again = plugin.refused("report", "--output-file", "r.tar.gz")

    file = plugin.kubeconfig.parent / "r.tar.gz"
    with tarfile.open(file) as archive:
        names = {each.partition("/")[2] for each in archive.getnames()}
    assert file.stat().st_mode & 0o777 == 0o600
    assert f"{filled}/backupsessions/nightly-q6woui-202611270030.yaml" in names
    assert f"{filled}/recoverypoints/web-01-202611270030-381011.yaml" in names
    assert {"about.yaml", "events.yaml", "LEFT-OUT.txt"} <= names
    assert "left out: pods of vmbackup-system: you may not read them" in ended.stdout
    assert "BundleNotWritten" in again


def test_a_report_has_the_operator_s_logs_and_goes_on_without_one(
    as_user: AsUser, installed: ControlPlane, unserved: str, tmp_path: Path
) -> None:
    """A pod that is not scheduled has logged nothing; of one whose node is gone nobody knows."""
    for name, where in (("vmbackup-0", {}), ("vmbackup-1", {"nodeName": "gone"})):
        labels = {"app.kubernetes.io/name": "vmbackup"}
        container = {"name": "operator", "image": "vmbackup"}
        installed.administrator.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": unserved, "labels": labels},
                "spec": {"containers": [container], **where},
            }
        )
    plugin = as_user(installed.administrator, unserved)

    said = plugin.said("report", "--output-file", "r.tar.gz", "--operator-namespace", unserved)

    with tarfile.open(tmp_path / "r.tar.gz") as archive:
        files = {name.partition("/")[2]: name for name in archive.getnames()}
        about = archive.extractfile(files["about.yaml"])
        assert about is not None
        assert yaml.safe_load(about)["kubernetes"].startswith("v1.")
    assert {"operator/vmbackup-0.yaml", "operator/vmbackup-0.log", "operator/vmbackup-1.yaml"} <= (
        files.keys()
    )
    assert "operator/vmbackup-1.log" not in files
    assert "left out: the log of vmbackup-1: " in said


@pytest.mark.parametrize(
    ("roles", "allowed", "refused"),
    [
        (
            ("vmbackup-view",),
            [("status",), ("sessions",), ("points",), ("policy", "plan", "nightly")],
            [("run", "nightly"), ("cancel", "rses/web-01-back"), ("restore", "--vm", "web-01")],
        ),
        (
            ("vmbackup-view", "vmbackup-operate"),
            [("run", "nightly"), ("retry", "nightly-4xk2ab-202611270030")],
            [("cancel", "rses/web-01-back"), ("restore", "--vm", "web-01")],
        ),
        (
            ("vmbackup-restore",),
            [("points",), ("restore", "--vm", "web-01", "--region", "northeurope"),
             ("cancel", "rses/web-01-back")],
            [("run", "nightly"), ("policy", "plan", "nightly")],
        ),
    ],
    ids=["view", "operate", "restore"],
)  # fmt: skip
def test_each_role_is_enough_for_its_commands_and_for_no_others(
    as_user: AsUser,
    installed: ControlPlane,
    filled: str,
    roles: tuple[str, ...],
    allowed: list[tuple[str, ...]],
    refused: list[tuple[str, ...]],
) -> None:
    plugin = as_user(user(installed, filled, *roles), filled)

    for words in allowed:
        assert plugin.asked(*words).returncode == 0, words
    for words in refused:
        line = plugin.refused(*words)
        assert line.startswith("kubectl-vmbackup: NotAuthorized: ")
        assert "ask for a binding" in line


def test_what_may_not_be_listed_is_left_out_and_said(
    as_user: AsUser, installed: ControlPlane, filled: str
) -> None:
    plugin = as_user(user(installed, filled, "vmbackup-restore"), filled)

    ended = plugin.run("status")

    assert ended.returncode == 0
    assert "rses/web-01-back" in ended.stdout
    assert "left out: backuppolicies: you may not list them" in ended.stderr


def test_who_may_see_nothing_is_told_so(
    as_user: AsUser, installed: ControlPlane, filled: str
) -> None:
    plugin = as_user(user(installed, filled), filled)

    for words in (("status",), ("sessions",), ("points",)):
        assert plugin.refused(*words).startswith("kubectl-vmbackup: NotAuthorized: ")


def test_namespaces_are_chosen_as_kubectl_does(
    as_user: AsUser, installed: ControlPlane, filled: str
) -> None:
    plugin = as_user(installed.administrator, "default")

    assert "There is no BackupPolicy in namespace default." in plugin.said("status")
    assert "nightly" in plugin.said("status", "-n", filled)
    everywhere = json.loads(plugin.said("status", "-A", "-o", "json"))
    assert filled in {each["namespace"] for each in everywhere["policies"]}
    assert plugin.said("sessions", "-A").split()[0] == "NAMESPACE"
    assert "NoSuchContext" in plugin.refused("status", "--context", "other")


def test_what_is_not_there_and_who_does_not_answer(
    as_user: AsUser, installed: ControlPlane, unserved: str
) -> None:
    plugin = as_user(installed.administrator, unserved)
    for words in (("run", "x"), ("watch", "x"), ("cancel", "rses/x"), ("restore", "x")):
        assert f"{unserved}/x; look at its name" in plugin.refused(*words)

    document = json.loads(plugin.kubeconfig.read_text())
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    plugin.kubeconfig.write_text(json.dumps(document))
    assert plugin.refused("status").startswith("kubectl-vmbackup: ClusterUnavailable: ")


def test_a_user_may_sign_in_by_a_program(
    as_user: AsUser, installed: ControlPlane, filled: str, tmp_path: Path
) -> None:
    """As Azure's clusters have it: kubelogin gives the token."""
    plugin = as_user(installed.administrator, filled)
    document = json.loads(plugin.kubeconfig.read_text())
    token = document["users"][0]["user"]["token"]
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": token},
    }
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    document["users"][0]["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "/bin/cat",
            "args": [str(tmp_path / "answer.json")],
            "interactiveMode": "Never",
        }
    }
    plugin.kubeconfig.write_text(json.dumps(document))

    assert "nightly" in plugin.said("status")
    document["users"][0]["user"]["exec"]["command"] = "/bin/false"
    plugin.kubeconfig.write_text(json.dumps(document))
    assert plugin.refused("status").startswith("kubectl-vmbackup: WrongSettings: ")


def test_a_point_is_picked_on_a_terminal(plugin: Plugin) -> None:
    """By script, which gives the plugin a terminal: the second point, in the region offered."""
    picked = plugin.shell(
        "printf '2\\nwesteurope\\n' | script -qec 'kubectl-vmbackup restore --dry-run' /dev/null"
    )
    asked = plugin.refused("restore", "--dry-run")

    assert "name: web-01-202611260030-2629c7" in picked.stdout
    assert "region: westeurope" in picked.stdout
    assert "Misunderstood: name a POINT, or a VM with --vm" in asked


def test_kubectl_completes_names_from_the_cluster(plugin: Plugin) -> None:
    policies = plugin.shell('kubectl_complete-vmbackup run ""')
    machines = plugin.shell("kubectl_complete-vmbackup run nightly --vm rg-production/w")
    by_kubectl = plugin.shell(f'"{kubectl()}" __complete vmbackup watch web')

    assert policies.stdout.split() == ["nightly", "weekly", ":4"]
    assert machines.stdout.split() == ["rg-production/web-01", "rg-production/web-02", ":4"]
    assert by_kubectl.stdout.split()[:2] == ["web-01-again", "web-01-back"]


def test_a_pipe_may_close_and_fill_up(plugin: Plugin) -> None:
    gone = plugin.shell('{ kubectl-vmbackup sessions; echo "$?" >&2; } | true')
    full = plugin.shell("kubectl-vmbackup status -o yaml >/dev/full")

    assert gone.stderr == "0\n"
    assert full.returncode == 2
    assert full.stderr.startswith("kubectl-vmbackup: OutputLost: ")


def test_a_terminal_has_colours_and_no_line_that_is_too_long(plugin: Plugin) -> None:
    """By script, which gives the plugin a terminal."""
    line = "stty cols 70; kubectl-vmbackup sessions; stty cols 70"
    coloured = plugin.shell(f"script -qec '{line}' /dev/null", TERM="xterm")
    plain = plugin.shell(f"script -qec '{line}' /dev/null", TERM="xterm", NO_COLOR="1")

    assert "\x1b[3" in coloured.stdout
    assert "\x1b" not in plain.stdout
    assert "nightly-txpgws-202611270030" in plain.stdout
    assert max(map(len, plain.stdout.splitlines())) <= 70

"""The image that `make image` built: its parts, its size, and the operator run from its files."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import stat
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.utils import canonicalize_name

from tests.packaging.built_image import IMAGE, built_layout
from tests.packaging.image_tree import ImageTree, unpack
from tools.image import parts
from tools.image.build import MACHINES, own_architecture
from tools.image.debian import LOCK, locked
from tools.image.layers import layer_of
from tools.image.layout import manifests, read_blob
from tools.image.wheels import needed
from tools.local_cloud.toolchains import ROOT
from vmbackup_core.protocol import read_bundle

LARGEST_BYTES = 130_000_000
SETTINGS = ROOT / "charts" / "vmbackup" / "settings.yaml"

architectures = pytest.mark.parametrize("architecture", sorted(MACHINES))


@pytest.fixture(scope="module")
def layout() -> Path:
    return built_layout()


@pytest.fixture(scope="module")
def tree(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> ImageTree:
    root = tmp_path_factory.mktemp("image") / "root"
    made = unpack(layout, own_architecture(), root)
    configured = made.path("/etc/vmbackup")
    configured.mkdir()
    shutil.copyfile(SETTINGS, configured / "settings.yaml")
    (configured / "wrong.yaml").write_text(yaml.safe_dump({"namespace": "vmbackup-system"}))
    return made


def config(layout: Path, architecture: str) -> dict[str, Any]:
    manifest = manifests(layout)[architecture]
    found: dict[str, Any] = json.loads(read_blob(layout, manifest["config"]))
    return found


def bill(architecture: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((IMAGE / f"sbom-{architecture}.cdx.json").read_text())
    return found


def names(architecture: str, kind: str) -> set[tuple[str, str]]:
    """Return names and versions of the components of *kind* (deb, pypi) of the image itself."""
    return {
        (one["name"], one["version"])
        for one in bill(architecture)["components"]
        if one["purl"].startswith(f"pkg:{kind}/")
        and {"name": "vmbackup:place", "value": "image"}
        in one.get("properties", [{"name": "vmbackup:place", "value": "image"}])
    }


@architectures
def test_it_is_no_larger_than_it_may_be(layout: Path, architecture: str) -> None:
    layers = manifests(layout)[architecture]["layers"]

    assert sum(layer["size"] for layer in layers) <= LARGEST_BYTES


@architectures
def test_layers_are_what_the_configuration_says(layout: Path, architecture: str) -> None:
    layers = manifests(layout)[architecture]["layers"]

    found = [
        f"sha256:{hashlib.sha256(gzip.decompress(read_blob(layout, layer))).hexdigest()}"
        for layer in layers
    ]
    assert found == config(layout, architecture)["rootfs"]["diff_ids"]


@architectures
def test_it_runs_as_nobody_that_a_host_has(layout: Path, architecture: str) -> None:
    assert config(layout, architecture)["config"]["User"] == "65532:65532"


@architectures
def test_the_bill_names_each_locked_package_and_each_distribution(
    layout: Path, architecture: str
) -> None:
    pins = [pin for pin in locked(LOCK.read_text()) if pin.architecture == architecture]

    assert layout.is_dir()
    assert names(architecture, "deb") == {(pin.name, pin.version) for pin in pins}
    assert {name for name, _ in names(architecture, "pypi")} == needed(MACHINES[architecture])


def test_the_bill_names_what_lies_in_the_tree(tree: ImageTree) -> None:
    records = {path.name for path in tree.path("/var/lib/dpkg/status.d").iterdir()}
    library = tree.path(parts.LIBRARY).glob("*.dist-info/METADATA")
    found = [message_from_string(path.read_text()) for path in library]
    said = {(canonicalize_name(one["Name"]), one["Version"]) for one in found}

    assert records == {name for name, _ in names(own_architecture(), "deb")}
    assert said == names(own_architecture(), "pypi")


def test_scanners_find_each_package_with_its_version(tree: ImageTree) -> None:
    pins = [pin for pin in locked(LOCK.read_text()) if pin.architecture == own_architecture()]

    for pin in pins:
        record = tree.path(f"/var/lib/dpkg/status.d/{pin.name}").read_text()
        assert f"Package: {pin.name}\n" in record
        assert f"Version: {pin.version}\n" in record


def test_there_is_no_shell_and_nothing_that_changes_its_user(tree: ImageTree) -> None:
    programs = {path.name for path in tree.path("/usr/bin").iterdir()}
    programs |= {path.name for path in tree.path("/usr/sbin").iterdir()}

    assert "python3.11" in programs
    assert not programs & {"sh", "bash", "dash", "busybox", "su", "apt", "apt-get", "dpkg"}
    assert not [
        path
        for path in tree.root.rglob("*")
        if path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID)
    ]


def test_every_module_of_the_product_has_its_bytecode(tree: ImageTree) -> None:
    folder = tree.path(parts.PRODUCT)
    sources = list(folder.rglob("*.py"))

    assert len(sources) > 200
    for source in sources:
        assert (source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc").is_file()


def test_the_product_in_it_is_built_again_to_the_same_bytes(
    layout: Path, tree: ImageTree, tmp_path: Path
) -> None:
    """By the image's own Python: it shows that bytecode, too, is the same each time."""
    parts.add_product(tmp_path / "product", tree.root)

    rebuilt = layer_of(tmp_path / "product")
    assert rebuilt.diff_id in config(layout, own_architecture())["rootfs"]["diff_ids"]


def test_each_workers_bundle_is_whole(tree: ImageTree) -> None:
    folder = tree.path(parts.BUNDLES_FOLDER)

    for python, machine in parts.BUNDLES:
        listed = read_bundle(folder / f"{python}-{machine}")
        assert (listed.python, listed.platform) == (python, f"linux_{machine}")
    assert read_bundle(tree.path(parts.BUNDLE)).python == "3.10"


@pytest.mark.machines
def test_the_operator_says_its_version_from_a_read_only_root(tree: ImageTree) -> None:
    said = tree.run([*tree.config["Entrypoint"], "--version"])

    assert (said.returncode, said.stderr) == (0, "")
    assert re.fullmatch(r"vmbackup [\d.]+, repository format [\d.]+\n", said.stdout)


@pytest.mark.machines
def test_it_runs_as_the_images_user_and_cannot_write(tree: ImageTree) -> None:
    looking = (
        "import os; print(os.getuid(), os.getgid())\n"
        "try: open('/opt/vmbackup/new', 'w')\n"
        "except OSError as error: print(error.strerror)"
    )

    said = tree.run(["/usr/bin/python3", "-c", looking])

    assert said.stdout == "65532 65532\nRead-only file system\n"


@pytest.mark.machines
def test_it_knows_the_authorities_and_names_that_it_needs(tree: ImageTree) -> None:
    looking = (
        "import pwd, ssl; print(len(ssl.create_default_context().get_ca_certs()) > 100, "
        "pwd.getpwuid(65532).pw_name)"
    )

    said = tree.run(["/usr/bin/python3", "-c", looking])

    assert (said.stdout, said.stderr) == ("True vmbackup\n", "")


@pytest.mark.machines
def test_wrong_settings_are_named(tree: ImageTree) -> None:
    said = tree.run([*tree.config["Entrypoint"], "--config", "/etc/vmbackup/wrong.yaml"])

    assert said.returncode == 2
    assert "appliance" in said.stderr


@pytest.mark.machines
def test_with_the_charts_settings_it_starts_until_it_misses_a_cluster(tree: ImageTree) -> None:
    said = tree.run([*tree.config["Entrypoint"], "--config", "/etc/vmbackup/settings.yaml"])

    assert said.returncode == 2
    assert "no way to the API server" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.machines
def test_the_command_line_is_in_it(tree: ImageTree) -> None:
    said = tree.run([f"{parts.PROGRAMS}/vmbackup", "--version"])

    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("vmbackup ")

"""A machine's folders hold what its image's disk would."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

from azure_simulator.machines.tree import clear_for_boot, make_tree, write_hosts
from azure_simulator.machines.trust import subject_hash

JAMMY = {"publisher": "Canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts-gen2"}

AUTHORITY = trustme.CA(organization_name="Azure simulator", organization_unit_name="for a test")


def made(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    make_tree(tree, "worker", JAMMY, AUTHORITY.cert_pem.bytes())
    return tree


def test_the_images_name_is_in_os_release(tmp_path: Path) -> None:
    text = (made(tmp_path) / "etc/os-release").read_text()

    assert 'VERSION_ID="22.04"' in text


def test_another_image_is_not_taken_for_ubuntu(tmp_path: Path) -> None:
    make_tree(tmp_path, "other", {"offer": "debian-12", "sku": "12"}, AUTHORITY.cert_pem.bytes())

    assert "jammy" not in (tmp_path / "etc/os-release").read_text()


def test_the_authority_is_found_in_the_folder_of_trusted_ones(tmp_path: Path) -> None:
    folder = made(tmp_path) / "etc/ssl/certs"
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("acct.blob.core.windows.net").configure_cert(server)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # OpenSSL opens nothing here but a file whose name is the hash of the issuer's.
    client.load_verify_locations(capath=str(folder))

    assert shake_hands(client, server, "acct.blob.core.windows.net")
    assert (folder / f"{subject_hash(AUTHORITY.cert_pem.bytes())}.0").exists()


def test_the_authority_is_the_only_one_in_the_bundle(tmp_path: Path) -> None:
    bundle = made(tmp_path) / "etc/ssl/certs/ca-certificates.crt"

    assert bundle.read_bytes() == AUTHORITY.cert_pem.bytes()


def test_a_boot_clears_what_does_not_outlive_it(tmp_path: Path) -> None:
    tree = made(tmp_path)
    for name in ("run/socket", "tmp/file", "opt/file"):
        (tree / name).write_text("x")

    clear_for_boot(tree)

    assert not (tree / "run/socket").exists()
    assert not (tree / "tmp/file").exists()
    assert (tree / "opt/file").exists()


def test_a_hosts_file_that_says_the_same_is_not_written_again(tmp_path: Path) -> None:
    tree = made(tmp_path)
    write_hosts(tree, "worker", {"a.example": "10.0.0.4"})
    before = (tree / "etc/hosts").stat().st_ino

    write_hosts(tree, "worker", {"a.example": "10.0.0.4"})
    assert (tree / "etc/hosts").stat().st_ino == before

    write_hosts(tree, "worker", {"a.example": "10.0.0.5"})
    assert "10.0.0.5 a.example" in (tree / "etc/hosts").read_text().splitlines()


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> bool:
    """Shake hands in memory; a refused certificate raises."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_hostname=name),
        server.wrap_bio(up, down, server_side=True),
    ]
    for _ in range(4):
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
    return not ends

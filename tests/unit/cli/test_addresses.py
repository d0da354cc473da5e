"""Which addresses are taken, how a SAS comes in, and that no secret comes out again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.program import CommandLine
from vmbackup_core.errors import PermanentError
from vmbackup_operator.cli.addresses import BLOB_SUFFIXES, Container, Folder, read_address
from vmbackup_operator.cli.complaints import complaint_of

SAS = "sv=2026-06-06&sr=c&sp=rl&sig=c2VjcmV0c2VjcmV0"


@pytest.mark.parametrize("text", [".", "/srv/backups", "a.blob.core.windows.net/c", "C:", ""])
def test_what_has_no_scheme_is_a_directory(text: str) -> None:
    assert read_address(text, None) == Folder(Path(text))


@pytest.mark.parametrize("host", [*BLOB_SUFFIXES, "z07.blob.storage.azure.net"])
@pytest.mark.parametrize("account", ["abc", "backups2026", "backups-secondary"])
def test_a_container_of_any_of_azures_clouds_is_one(account: str, host: str) -> None:
    url = f"https://{account}.{host}/vm-backups"

    assert read_address(url, None) == Container(url)
    assert read_address(f"{url}/", f"?{SAS}\n") == Container(url, SAS)
    assert read_address(url.replace("https", "HTTPS").replace(account, account.upper()), None) == (
        Container(url)
    )


@pytest.mark.parametrize(
    "given", [SAS, f"?{SAS}", f" {SAS}\n", f"https://abc.blob.core.windows.net/c1?{SAS}"]
)
def test_a_sas_is_taken_as_it_is_copied(given: str) -> None:
    found = read_address("https://abc.blob.core.windows.net/vms", given)

    assert found == Container("https://abc.blob.core.windows.net/vms", SAS)
    assert "sig" not in repr(found)


@pytest.mark.parametrize("given", ["", "sv=1", "sig", f"{SAS} {SAS}", "sïg=1&sig=2", "se=1&sig="])
def test_what_is_no_sas_is_refused_and_not_shown(given: str) -> None:
    with pytest.raises(PermanentError) as refused:
        read_address("https://abc.blob.core.windows.net/vms", given)

    assert refused.value.reason == "InvalidSas"
    assert str(refused.value) == "what was given as a SAS is none"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://abc.blob.core.windows.net/vms", "is not encrypted: https is"),
        ("https://abc.blob.core.windows.net", "is no address of a container"),
        ("https://abc.blob.core.windows.net/vms/folder", "is no address of a container"),
        ("https://abc.blob.core.windows.net/v", "is no address of a container"),
        ("https://abc.blob.core.windows.net/a--b", "is no address of a container"),
        ("https://abc.blob.core.windows.net/Vms", "is no address of a container"),
        ("https://abc.blob.core.windows.net:8443/vms", "is no address of a container"),
        ("https://abc.blob.core.windows.net/vms#x", "is no address of a container"),
        ("https://abc.blob.core.windows.net.evil.example/vms", "in none of Azure's clouds"),
        ("https://a.b.blob.core.windows.net/vms", "in none of Azure's clouds"),
        ("https://abc.privatelink.blob.core.windows.net/vms", "in none of Azure's clouds"),
        ("https://127.0.0.1/abc/vms", "in none of Azure's clouds"),
        ("https:///vms", "in none of Azure's clouds"),
        ("s3://bucket/prefix", "is no address of a container"),
        ("file:///srv", "is no address of a container"),
        ("https://[::1/vms", "is no URL"),
        ("https://abc.blob.core.windows.net:port/vms", "is no URL"),
    ],
)
def test_other_addresses_are_refused(text: str, said: str) -> None:
    with pytest.raises(PermanentError, match=said) as refused:
        read_address(text, None)

    assert refused.value.reason == "InvalidAddress"


@pytest.mark.parametrize(
    "text",
    [
        "https://user:c2VjcmV0@abc.blob.core.windows.net/vms",
        "https://c2VjcmV0@abc.blob.core.windows.net/vms",
        "https://user:c2V/jcmV0@abc.blob.core.windows.net/vms",
        "https:user:c2VjcmV0@abc.blob.core.windows.net/vms",
        "ftp://user:c2VjcmV0@host:port/vms",
    ],
)
def test_a_users_name_and_password_are_never_shown(text: str) -> None:
    with pytest.raises(PermanentError, match=r"name or password|is no URL") as refused:
        read_address(text, None)

    assert "cmV0" not in complaint_of(refused.value)
    assert "user" not in str(refused.value).replace("user's", "")


@pytest.mark.parametrize(
    "text",
    [
        f"https://abc.blob.core.windows.net/vms?{SAS}",
        f"http://abc.blob.core.windows.net/vms?{SAS}",
        f"abc.blob.core.windows.net/vms?{SAS}",
        f"https:/vms?{SAS}",
        "https://abc.blob.core.windows.net/vms?sv=1",
        f"https://user:pw@abc.blob.core.windows.net/vms?{SAS}",
    ],
)
def test_a_sas_in_the_address_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(PermanentError) as refused:
        read_address(text, None)

    said = complaint_of(refused.value)
    assert said.startswith("SasOnCommandLine: ")
    assert "VMBACKUP_SAS" in said
    assert "--sas-file" in said
    assert "revoke this one" in said
    assert "c2VjcmV0" not in said


def test_a_sas_in_the_address_is_no_use_with_one_in_a_file(
    line: CommandLine, tmp_path: Path
) -> None:
    line.address = f"https://abc.blob.core.windows.net/vms?{SAS}"
    file = tmp_path / "sas"
    file.write_text(SAS)

    code, _, err = line.run("list", "--sas-file", str(file))

    assert code == 2
    assert "SasOnCommandLine" in err
    assert "c2VjcmV0" not in err

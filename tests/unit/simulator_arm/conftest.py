"""Resource Manager with backings in memory, behind a plain HTTP server on loopback."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import RawTestServer
from yarl import URL

from azure_simulator.arm.api_versions import versions_of
from azure_simulator.arm.paths import parse
from azure_simulator.arm.table import HOST, Arm
from azure_simulator.backing import Backing, CommandResult
from azure_simulator.identities.directory import Identities
from azure_simulator.identities.tokens import TokenIssuer
from azure_simulator.interventions import Interventions
from azure_simulator.journal import Journal
from azure_simulator.pace import Pace
from azure_simulator.resources import Body, Resources

TENANT = "99999999-1111-4111-8111-111111111111"
SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
OTHER_SUBSCRIPTION = "66666666-7777-4888-8999-000000000000"
OWNER = "aaaaaaaa-0000-4000-8000-000000000001"
#: What a test waits for ends at once.
SPEED = 600
#: Slow enough that something is still under way when the next request comes, on a busy machine too.
SLOWLY = pytest.mark.parametrize("speed", [10], ids=["slowly"])

#: One signing key for all tests: making one takes longer than most of them.
ISSUER = TokenIssuer(TENANT)


@dataclass
class MemoryContents:
    """Which contents there are, what they were made from, and where they are shown."""

    there: dict[str, str] = field(default_factory=dict)
    shown: dict[str, Path] = field(default_factory=dict)

    async def create_empty(self, disk_id: str, size_bytes: int) -> None:
        self.there[disk_id.lower()] = f"{size_bytes} zeros"

    async def create_from(self, target_id: str, source_id: str, size_bytes: int) -> None:
        assert size_bytes > 0
        self.there[target_id.lower()] = source_id.lower()

    async def delete(self, arm_id: str) -> None:
        self.there.pop(arm_id.lower(), None)

    async def show(self, disk_id: str, path: Path) -> None:
        assert disk_id.lower() in self.there
        self.shown[disk_id.lower()] = path

    async def hide(self, disk_id: str) -> None:
        self.shown.pop(disk_id.lower(), None)


@dataclass
class MemoryExports:
    """Grants that end by the time of their first asking, or when they are revoked."""

    urls: dict[str, tuple[str, float]] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    whole: set[str] = field(default_factory=set)  # what was uploaded, its footer too

    async def grant(
        self, arm_id: str, access: Literal["Read", "Write"], duration_s: int, host: str
    ) -> str:
        if not self.granted(arm_id):
            url = f"https://{host}/{access.lower()}/abcd?for={duration_s}&sig={uuid.uuid4()}"
            self.urls[arm_id.lower()] = url, self.clock() + duration_s
        return self.urls[arm_id.lower()][0]

    async def revoke(self, arm_id: str) -> None:
        self.urls.pop(arm_id.lower(), None)

    def granted(self, arm_id: str) -> bool:
        _, ends_at = self.urls.get(arm_id.lower(), ("", 0.0))
        return self.clock() < ends_at

    def uploaded(self, arm_id: str) -> bool:
        return arm_id.lower() in self.whole


@dataclass
class MemoryAccounts:
    """Accounts and their containers, by name."""

    containers: dict[str, set[str]] = field(default_factory=dict)
    refuse: bool = False

    async def create(self, name: str, key: str) -> None:
        if self.refuse:
            raise RuntimeError("the test wants it so")
        base64.b64decode(key, validate=True)
        self.containers.setdefault(name, set())

    async def delete(self, name: str) -> None:
        self.containers.pop(name, None)

    async def create_container(self, name: str, container: str) -> None:
        self.containers[name].add(container)

    async def container_exists(self, name: str, container: str) -> bool:
        return container in self.containers[name]


@dataclass
class MemoryMachines:
    """VMs that echo their script's environment; `gate` keeps a script running until it is set."""

    up: dict[str, bool] = field(default_factory=dict)
    images: dict[str, Mapping[str, str]] = field(default_factory=dict)
    ran: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    result: CommandResult = field(default_factory=lambda: CommandResult(0, "done\n", ""))

    def __post_init__(self) -> None:
        self.gate.set()

    async def create(self, vm_id: str, image: Mapping[str, str]) -> None:
        self.images[vm_id.lower()] = image
        self.up[vm_id.lower()] = True

    async def start(self, vm_id: str) -> None:
        self.up[vm_id.lower()] = True

    async def stop(self, vm_id: str) -> None:
        self.up[vm_id.lower()] = False

    async def delete(self, vm_id: str) -> None:
        self.up.pop(vm_id.lower(), None)

    async def run(
        self, vm_id: str, script: str, environment: Mapping[str, str], timeout_s: float
    ) -> CommandResult:
        assert self.running(vm_id)
        assert timeout_s > 0
        self.ran.append((script, environment))
        await self.gate.wait()
        return self.result

    def running(self, vm_id: str) -> bool:
        return self.up.get(vm_id.lower(), False)

    def disk_path(self, vm_id: str, lun: int) -> Path:
        return Path("/machines", vm_id.rsplit("/", 1)[-1], str(lun))


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.body["error"]["code"])


def _newest(path: str) -> str:
    """Return the newest version of what *path* names; any, where nothing is of that type."""
    known = versions_of(parse(path).kind)
    return known[-1] if known else "2024-05-01"


@dataclass
class Azure:
    """A client that speaks raw HTTP, and the parts behind it."""

    session: ClientSession
    base: URL
    arm: Arm
    identities: Identities
    resources: Resources
    journal: Journal
    interventions: Interventions
    contents: MemoryContents
    exports: MemoryExports
    accounts: MemoryAccounts
    machines: MemoryMachines
    group: str = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"

    def id(self, kind: str, name: str) -> str:
        """Return the id of a resource of *kind* (``Microsoft.Compute/disks``) in the group."""
        return f"{self.group}/providers/{kind}/{name}"

    async def in_other_subscription(self, kind: str, name: str) -> str:
        """Return the id of such a resource in the group of that name of another subscription."""
        self.arm.add_subscription(OTHER_SUBSCRIPTION)
        await self.put(self.group.replace(SUBSCRIPTION, OTHER_SUBSCRIPTION), {"location": "eastus"})
        return self.id(kind, name).replace(SUBSCRIPTION, OTHER_SUBSCRIPTION)

    def token(self, object_id: str = OWNER) -> str:
        return self.identities.issuer.issue("a-client", object_id, "https://management.azure.com")

    async def send(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        as_: str | None = OWNER,
        headers: Mapping[str, str] | None = None,
        query: str = "",
    ) -> Reply:
        """Send one request and return its answer."""
        sent = dict(headers or {})
        if as_ is not None:
            sent.setdefault("Authorization", f"Bearer {self.token(as_)}")
        url = path.removeprefix(f"https://{HOST}")
        if "api-version" not in url:
            url += f"?api-version={_newest(url)}{query}"
        target = URL(str(self.base).rstrip("/") + url, encoded=True)
        async with self.session.request(method, target, json=body, headers=sent) as response:
            text = await response.text()
            parsed = await response.json() if text else None
            return Reply(response.status, response.headers, parsed)

    async def put(self, path: str, body: Body, **options: Any) -> Body:
        """Put a resource, wait for the end of it and return what GET then says."""
        await self.done(await self.send("PUT", path, body, **options))
        return await self.get(path)

    async def get(self, path: str, query: str = "") -> Body:
        reply = await self.send("GET", path, query=query)
        assert reply.status == 200, reply
        body: Body = reply.body
        return body

    async def done(self, reply: Reply) -> Reply:
        """Poll until the operation that *reply* began has succeeded; return the last poll."""
        assert reply.status in (200, 201, 202), reply
        url = reply.headers.get("Azure-AsyncOperation") or reply.headers.get("Location")
        if url is None:
            return reply
        for _ in range(6000):  # half a minute: what ends slowly ends, what hangs is named
            poll = await self.send("GET", url)
            status = (poll.body or {}).get("status", "InProgress" if poll.status == 202 else "")
            if status != "InProgress":
                assert status in ("", "Succeeded"), poll
                return poll
            await asyncio.sleep(0.005)
        raise AssertionError(f"the operation never ended: {url[:120]}")


@pytest.fixture
def speed() -> int:
    """How many times as fast as Azure it is; a test marked `SLOWLY` has it slower."""
    return SPEED


@pytest.fixture
async def azure(speed: int) -> AsyncIterator[Azure]:
    resources, journal, interventions = Resources(), Journal(), Interventions()
    identities = Identities(resources, TENANT, issuer=ISSUER)
    identities.make_owner(OWNER)
    contents, exports = MemoryContents(), MemoryExports()
    accounts, machines = MemoryAccounts(), MemoryMachines()
    arm = Arm(
        resources=resources,
        identities=identities,
        backing=Backing(contents, exports, accounts, machines),
        pace=Pace(speed),
        journal=journal,
        interventions=interventions,
    )
    arm.add_subscription(SUBSCRIPTION)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return await arm.service.answer(request, "internet", HOST)

    async with RawTestServer(answer) as server, ClientSession() as session:
        azure = Azure(
            session=session,
            base=server.make_url("/"),
            arm=arm,
            identities=identities,
            resources=resources,
            journal=journal,
            interventions=interventions,
            contents=contents,
            exports=exports,
            accounts=accounts,
            machines=machines,
        )
        assert (await azure.send("PUT", azure.group, {"location": "westeurope"})).status == 201
        yield azure
    await arm.close()

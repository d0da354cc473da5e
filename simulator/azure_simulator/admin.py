"""The administration interface: what no Azure interface offers and a test needs.

Plain JSON over HTTP on loopback; the calls are listed in docs/simulator.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from azure_simulator.arm.policies import Policy
from azure_simulator.arm.quotas import set_limit
from azure_simulator.assembly import Simulator
from azure_simulator.disks.answers import Asked
from azure_simulator.disks.contents import ContentRefused
from azure_simulator.disks.grants import SAS_VERSION
from azure_simulator.identities.federation import FederatedCredential
from azure_simulator.identities.tokens import LIFETIME_S
from azure_simulator.interventions import Fault, Match
from azure_simulator.storage.wire import StorageError

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Administration:
    """The interface's calls over one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def application(self) -> web.Application:
        """Return the interface, to be served."""
        application = web.Application(middlewares=[_refusals])
        application.router.add_put("/subscriptions/{id}", self._subscription)
        application.router.add_put("/identities/{clientId}", self._identity)
        application.router.add_get("/identities/{clientId}/rights", self._show_rights_asked)
        application.router.add_post("/tokens", self._token)
        application.router.add_put("/rights", self._rights)
        application.router.add_put("/quotas", self._quota)
        application.router.add_put("/appliance", self._appliance)
        application.router.add_put("/disks/content", self._fill_disk)
        application.router.add_post("/disks/write", self._write_disk)
        application.router.add_get("/disks/content", self._disk_content)
        application.router.add_post("/exports/try", self._try_export)
        application.router.add_get("/journal", self._journal)
        application.router.add_post("/holds", self._hold)
        application.router.add_get("/holds", self._held)
        application.router.add_get("/holds/{id}", self._caught)
        application.router.add_delete("/holds/{id}", self._release)
        application.router.add_post("/faults", self._fault)
        application.router.add_delete("/faults/{id}", self._forget)
        application.router.add_post("/policies", self._assign_policy)
        application.router.add_delete("/policies/{id}", self._forget_policy)
        application.router.add_get("/machines", self._machines)
        return application

    async def _subscription(self, request: web.Request) -> web.Response:
        self._simulator.arm.add_subscription(request.match_info["id"])
        return _done()

    async def _identity(self, request: web.Request) -> web.Response:
        body, client_id = await request.json(), request.match_info["clientId"]
        identities = self._simulator.identities
        identities.add(
            client_id, body["objectId"], body.get("clientSecret", ""), body.get("displayName", "")
        )
        for given in body.get("federated", ()):
            credential = FederatedCredential.parse(
                given["issuer"], given["subject"], given["publicKey"]
            )
            identities.federate(client_id, credential)
        return _done()

    async def _show_rights_asked(self, request: web.Request) -> web.Response:
        identities, client_id = self._simulator.identities, request.match_info["clientId"]
        principal = identities.find(client_id)
        if principal is None:
            raise KeyError(client_id)
        return web.json_response([asdict(right) for right in identities.asked(principal.object_id)])

    async def _token(self, request: web.Request) -> web.Response:
        body, identities = await request.json(), self._simulator.identities
        principal = identities.find(body["clientId"])
        if principal is None:
            raise KeyError(body["clientId"])
        token = identities.issuer.issue(
            principal.client_id,
            principal.object_id,
            body["audience"],
            body.get("lifetimeSeconds", LIFETIME_S),
        )
        return web.json_response({"token": token})

    async def _rights(self, request: web.Request) -> web.Response:
        after_s = float((await request.json())["afterSeconds"])
        if not after_s >= 0:
            raise ValueError("'afterSeconds' is 0 or more")
        self._simulator.identities.spreading.shorten(after_s)
        return _done()

    async def _quota(self, request: web.Request) -> web.Response:
        body = await request.json()
        set_limit(
            self._simulator.resources,
            body["subscriptionId"],
            body["region"],
            body["name"],
            int(body["limit"]),
        )
        return _done()

    async def _appliance(self, request: web.Request) -> web.Response:
        self._simulator.gateway.set_appliance_network((await request.json())["virtualNetworkId"])
        return _done()

    async def _fill_disk(self, request: web.Request) -> web.Response:
        body = await request.json()
        await self._simulator.contents.replace(body["diskId"], Path(body["path"]))
        return _done()

    async def _write_disk(self, request: web.Request) -> web.Response:
        body = await request.json()
        contents = self._simulator.contents
        await contents.write(body["diskId"], body["offset"], Path(body["path"]))
        return _done()

    async def _disk_content(self, request: web.Request) -> web.Response:
        content = self._simulator.contents.file_of(request.query["id"])
        if content is None:
            raise KeyError(request.query["id"])
        allocated = [list(extent) for extent in content.allocated]
        return web.json_response(
            {"path": str(content.path), "sizeBytes": content.size_bytes, "allocated": allocated}
        )

    async def _try_export(self, request: web.Request) -> web.Response:
        url = urlsplit((await request.json())["url"])
        query = {name.lower(): value for name, value in parse_qsl(url.query)}
        asked = Asked("HEAD", url.netloc.lower(), url.path, query, {"x-ms-version": SAS_VERSION})
        try:
            answer = await self._simulator.export_answers.answer(asked)
        except StorageError as refusal:
            return web.json_response({"status": refusal.status, "code": refusal.code})
        return web.json_response({"status": answer.status, "code": ""})

    async def _journal(self, request: web.Request) -> web.Response:
        entries = self._simulator.journal.since(int(request.query.get("since", "0")))
        return web.json_response(entries)

    async def _hold(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["when"] not in ("before", "after"):
            raise ValueError("'when' is before or after")
        hold_id = self._simulator.interventions.hold(
            Match.parse(body["match"]), body["when"], int(body.get("times", 1))
        )
        return web.json_response({"id": hold_id})

    async def _held(self, _request: web.Request) -> web.Response:
        return web.json_response(self._simulator.interventions.held())

    async def _caught(self, request: web.Request) -> web.Response:
        caught = self._simulator.interventions.caught(request.match_info["id"])
        return web.json_response({"caught": caught})

    async def _release(self, request: web.Request) -> web.Response:
        self._simulator.interventions.release(request.match_info["id"])
        return _done()

    async def _fault(self, request: web.Request) -> web.Response:
        body = await request.json()
        fault = Fault(
            match=Match.parse(body["match"]),
            status=int(body["status"]),
            headers=body.get("headers", {}),
            body=body.get("body"),
            times=int(body.get("times", 1)),
        )
        return web.json_response({"id": self._simulator.interventions.fail(fault)})

    async def _forget(self, request: web.Request) -> web.Response:
        self._simulator.interventions.forget(request.match_info["id"])
        return _done()

    async def _assign_policy(self, request: web.Request) -> web.Response:
        body = await request.json()
        policies = self._simulator.arm.service.policies
        policy_id = policies.assign(Policy.parse(body), remediate=bool(body.get("remediate")))
        return web.json_response({"id": policy_id})

    async def _forget_policy(self, request: web.Request) -> web.Response:
        self._simulator.arm.service.policies.forget(request.match_info["id"])
        return _done()

    async def _machines(self, _request: web.Request) -> web.Response:
        return web.json_response(self._simulator.machines.listing())


def _done() -> web.Response:
    return web.json_response({})


@web.middleware
async def _refusals(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Tell the caller what was wrong with the call: 404 for an unknown id, else 400."""
    try:
        return await handler(request)
    except KeyError as error:
        return _refusal(404, f"unknown or missing: {error}")
    except LookupError as error:
        return _refusal(404, str(error))
    except (ContentRefused, json.JSONDecodeError, re.error, ValueError, TypeError) as error:
        return _refusal(400, str(error))
    except OSError as error:
        return _refusal(400, f"{error.filename}: {error.strerror}")


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)

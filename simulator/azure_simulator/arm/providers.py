"""Resource providers: which types each has, where, and by which api-versions."""

from __future__ import annotations

from collections.abc import Collection

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.api_versions import versions_of
from azure_simulator.arm.errors import ArmError
from azure_simulator.arm.exchange import Exchange, Route
from azure_simulator.arm.paths import SUBSCRIPTION
from azure_simulator.arm.subscriptions import REGIONS
from azure_simulator.resources import Body

KIND = f"{SUBSCRIPTION}/providers"


def provider_routes(kinds: Collection[str]) -> tuple[Route, ...]:
    """Return the routes that tell of the providers of *kinds*, all that is answered for."""
    namespaces = sorted({kind.split("/")[0] for kind in kinds})

    def provider(exchange: Exchange, namespace: str) -> Body:
        return {
            "id": f"/subscriptions/{exchange.target.subscription}/providers/{namespace}",
            "namespace": namespace,
            "resourceTypes": [
                _type(kind) for kind in sorted(kinds) if kind.startswith(f"{namespace}/")
            ],
            "registrationState": "Registered",
            "registrationPolicy": "RegistrationRequired",
        }

    async def get_all(exchange: Exchange) -> Answer:
        return Answer(200, {"value": [provider(exchange, each) for each in namespaces]})

    async def get_one(exchange: Exchange) -> Answer:
        asked = exchange.target.name
        for namespace in namespaces:
            if namespace.lower() == asked.lower():
                return Answer(200, provider(exchange, namespace))
        message = f"The resource namespace '{asked}' is invalid."
        raise ArmError(404, "InvalidResourceNamespace", message, gateway=True)

    return (Route("GET", KIND, get_all, "*"), Route("GET", KIND, get_one))


def _type(kind: str) -> Body:
    return {
        "resourceType": kind.partition("/")[2],
        "locations": list(REGIONS.values()),
        "apiVersions": list(reversed(versions_of(kind))),
        "capabilities": "None",
    }

"""Platform images: publishers, offers, SKUs and versions, and what a version is."""

from __future__ import annotations

from collections.abc import Iterable

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.errors import ArmError
from azure_simulator.arm.exchange import Exchange, Route
from azure_simulator.arm.subscriptions import REGIONS
from azure_simulator.resources import Body

_PUBLISHERS = "Microsoft.Compute/locations/publishers"
_OFFERS = f"{_PUBLISHERS}/artifacttypes/offers"
_SKUS = f"{_OFFERS}/skus"
_VERSIONS = f"{_SKUS}/versions"

_PUBLISHER = "Canonical"
_IMAGE_BYTES = 30 * 1024**3

#: By offer and SKU, oldest version first.
_IMAGES = {
    ("0001-com-ubuntu-server-jammy", "22_04-lts"): ("22.04.202609160", "22.04.202611010"),
    ("0001-com-ubuntu-server-jammy", "22_04-lts-gen2"): ("22.04.202609160", "22.04.202611010"),
    ("ubuntu-24_04-lts", "server"): ("24.04.202609160", "24.04.202611010"),
}
_FIRST_GENERATION = ("22_04-lts",)


def image_version(reference: Body) -> str:
    """Return the exact version that an image reference names, or refuse what is not there."""
    publisher, offer, sku, version = (
        str(reference.get(part, "")) for part in ("publisher", "offer", "sku", "version")
    )
    known = _IMAGES.get((offer.lower(), sku.lower()), ())
    if publisher.lower() == _PUBLISHER.lower():
        if version.lower() == "latest" and known:
            return known[-1]
        if version in known:
            return version
    urn = f"{publisher}:{offer}:{sku}:{version}"
    message = f"The platform image '{urn}' is not available."
    raise ArmError(404, "PlatformImageNotFound", message, target="imageReference")


async def _list_publishers(exchange: Exchange) -> Answer:
    return Answer(200, [_entry(exchange, "Publishers", _PUBLISHER)])


async def _list_offers(exchange: Exchange) -> Answer:
    _named(exchange)
    offers = dict.fromkeys(offer for offer, _ in _IMAGES)
    return Answer(200, [_entry(exchange, "Offers", offer) for offer in offers])


async def _list_skus(exchange: Exchange) -> Answer:
    (offer,) = _named(exchange)
    skus = [sku for of, sku in _IMAGES if of == offer.lower()]
    return Answer(200, [_entry(exchange, "Skus", sku) for sku in _found(skus)])


async def _list_versions(exchange: Exchange) -> Answer:
    offer, sku = _named(exchange)
    versions = _ordered(exchange, _found(_IMAGES.get((offer.lower(), sku.lower()), ())))
    expands = exchange.query.get("$expand", "").startswith("properties")
    shown = [
        {**_entry(exchange, "Versions", version), **(_details(sku) if expands else {})}
        for version in versions
    ]
    return Answer(200, shown)


async def _get_version(exchange: Exchange) -> Answer:
    offer, sku, version = _named(exchange)
    known = _IMAGES.get((offer.lower(), sku.lower()), ())
    _found([each for each in known if each == version])
    entry = {"location": _region(exchange), "name": version, "id": exchange.target.path}
    return Answer(200, {**entry, **_details(sku)})


def _named(exchange: Exchange) -> list[str]:
    """Return what the path names behind region, publisher and the word ``vmimage``."""
    names = exchange.target.names
    _region(exchange)
    _found([n for n in names[1:2] if n.lower() == _PUBLISHER.lower()])
    _found([n for n in names[2:3] if n.lower() == "vmimage"])
    return list(names[3:])


def _region(exchange: Exchange) -> str:
    region = exchange.target.names[0].lower()
    if region not in REGIONS:
        message = (
            f"No registered resource provider found for location '{exchange.target.names[0]}' and "
            f"API version '{exchange.api_version}' for type 'locations/publishers'."
        )
        raise ArmError(400, "NoRegisteredProviderFound", message, gateway=True)
    return region


def _found(names: Iterable[str]) -> list[str]:
    found = list(names)
    if not found:
        raise ArmError(404, "NotFound", "Artifact: VMImage was not found.")
    return found


def _ordered(exchange: Exchange, versions: list[str]) -> list[str]:
    if exchange.query.get("$orderby", "").lower() == "name desc":
        versions.reverse()
    top = exchange.query.get("$top", "")
    return versions[: int(top)] if top.isdigit() else versions


def _entry(exchange: Exchange, collection: str, name: str) -> Body:
    parent = exchange.target.path.rsplit("/", 1)[0]
    return {"location": _region(exchange), "name": name, "id": f"{parent}/{collection}/{name}"}


def _details(sku: str) -> Body:
    generation = "V1" if sku.lower() in _FIRST_GENERATION else "V2"
    return {
        "properties": {
            "hyperVGeneration": generation,
            "architecture": "x64",
            "osDiskImage": {
                "operatingSystem": "Linux",
                "sizeInGb": _IMAGE_BYTES // 1024**3,
                "sizeInBytes": _IMAGE_BYTES + 512,
            },
            "dataDiskImages": [],
            "automaticOSUpgradeProperties": {"automaticOSUpgradeSupported": True},
            "disallowed": {"vmDiskType": "Unmanaged"},
            "imageDeprecationStatus": {"imageState": "Active"},
        }
    }


ROUTES = (
    Route("GET", _PUBLISHERS, _list_publishers, "*"),
    Route("GET", _OFFERS, _list_offers, "*"),
    Route("GET", _SKUS, _list_skus, "*"),
    Route("GET", _VERSIONS, _list_versions, "*"),
    Route("GET", _VERSIONS, _get_version),
)

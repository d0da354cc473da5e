"""What a single value of the settings may be, and the words that a wrong one is refused by."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
#: Azure's rule for a resource group's name: it may hold dots but not end in one.
_GROUP = r"[-\w.()]{0,89}[-\w()]"
_SCOPE = (
    f"/subscriptions/{_UUID}(/resource[gG]roups/{_GROUP}"
    r"(/providers/[\w.]+(/\w+/[-\w.]*\w)+)?)?"
)
_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"

Uuid = Annotated[str, Meta(pattern=f"^{_UUID}$", description="a UUID")]
RegionName = Annotated[
    str, Meta(pattern="^[a-z][a-z0-9]{2,39}$", description="a region's name as in westeurope")
]
Namespace = Annotated[str, Meta(pattern=f"^{_LABEL}$", description="a namespace's name")]
ApplianceId = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$",
        description="1 to 40 lowercase letters, digits and hyphens",
    ),
]
ResourceGroup = Annotated[
    str, Meta(pattern=f"^{_GROUP}$", description="a resource group's name, not its id")
]
VirtualNetworkId = Annotated[
    str,
    Meta(
        pattern=rf"(?i)^/subscriptions/{_UUID}/resourceGroups/{_GROUP}"
        r"/providers/Microsoft\.Network/virtualNetworks/[-\w.]+$",
        description="a virtual network's ARM id",
    ),
]
Scope = Annotated[
    str,
    Meta(
        pattern=f"^{_SCOPE}$",
        description="the ARM id of a subscription, a resource group or a resource, without a "
        "slash at its end",
    ),
]
StorageScope = Annotated[
    str,
    Meta(
        pattern=rf"^/subscriptions/{_UUID}/resource[gG]roups/{_GROUP}/providers"
        r"/Microsoft\.Storage/storageAccounts/[a-z0-9]{3,24}"
        r"(/blobServices/default/containers/[a-z0-9]([-a-z0-9]{1,61})[a-z0-9])?$",
        description="the ARM id of a storage account, or of a blob container in one",
    ),
]
RepositoryName = Annotated[
    str,
    Meta(
        pattern=rf"^{_LABEL}/([a-z0-9]([-.a-z0-9]{{0,251}}[a-z0-9])?|\*)$",
        description="namespace/name of a BackupRepository, or namespace/* for all in it",
    ),
]
ObjectName = Annotated[
    str,
    Meta(pattern="^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$", description="an object's name"),
]
VmSize = Annotated[
    str, Meta(pattern=r"^\w{3,64}$", description="a VM size's name as in Standard_D4s_v5")
]
Image = Annotated[
    str,
    Meta(
        pattern=r"^[-\w.]+(:[-\w.]+){3}$|^/subscriptions/[-\w./]+$",
        description="publisher:offer:sku:version, or an image's ARM id",
    ),
]
AddressRange = Annotated[
    str, Meta(pattern=r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$", description="an IPv4 range as in a CIDR")
]
Seconds = Annotated[int, Meta(ge=60, le=7 * 86400, description="60 to 604800 seconds")]
AtOnce = Annotated[int, Meta(ge=1, le=10_000, description="a number from 1 to 10000")]
Switch = Annotated[bool, Meta(description="true or false")]
GraceSeconds = Annotated[int, Meta(ge=1, le=7 * 86400, description="1 to 604800 seconds")]
DelayDays = Annotated[int, Meta(ge=0, le=365, description="0 to 365 days")]

# Azure's private zones take 15 tags: one is ours, and four are a RegionEnvironment's.
Tags = Annotated[
    dict[
        Annotated[
            str, Meta(pattern=r"^(?!(?i:vmbackup-|azure|microsoft|windows))[^<>%&\\?/]{1,128}$")
        ],
        Annotated[str, Meta(max_length=256)],
    ],
    Meta(
        max_length=10,
        description='at most 10 tags, name: "value", of which no name begins with vmbackup-,'
        " azure, microsoft or windows or holds one of <>%&\\?/",
    ),
]

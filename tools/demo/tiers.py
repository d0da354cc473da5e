"""Says in which tiers a container's packs lie: ``python -m tools.demo.tiers URL`` prints JSON."""

from __future__ import annotations

import json
import sys
from collections import Counter

from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.stores.azure_blob import container_client
from vmbackup_operator.services.credentials import ca_file, synchronous_credential


def tiers(url: str) -> dict[str, int]:
    """Return how many packs lie in each tier, as Azure lists them to the operator's identity."""
    client = container_client(url, synchronous_credential(), ca_file=ca_file())
    return dict(
        Counter(
            str(blob.blob_tier)
            for blob in client.list_blobs()
            if isinstance(parse_data(blob.name), PackName)
        )
    )


if __name__ == "__main__":
    print(json.dumps(tiers(sys.argv[1])))

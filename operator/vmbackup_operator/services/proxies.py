"""The proxies that the environment names, found once for each client of the SDK's.

aiohttp would look for them, and for a password in ~/.netrc, in a thread and for every request. And
what it finds in .netrc, a default entry too, makes it refuse requests that are authorised already,
as all of ours are.
"""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxies_for(url: str) -> dict[str, str]:
    """Return the proxies for requests to *url*, by scheme; none where its host is to have none."""
    return {} if proxy_bypass(urlsplit(url).hostname or "") else getproxies()

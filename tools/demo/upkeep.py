"""A pass of the repository's upkeep: asked for, followed to its end, and what it must come to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tools.demo.journal import Entry
from tools.demo.narration import FactBroken
from tools.local_cloud.installation import USER_NAMESPACE, example
from tools.local_cloud.kubernetes_user import KubernetesUser

#: In the order in which a pass takes them.
JOBS = ("Catalog", "Expire", "Mirror", "Prune", "Lists", "Check", "Verify")
LOOK_S = 1.0


def ask_for_a_pass(user: KubernetesUser) -> None:
    """Ask for upkeep now, as docs/operations.md says."""
    user.kubectl(
        "annotate",
        "backuprepository",
        _repository(),
        f"--namespace={USER_NAMESPACE}",
        "vmbackup.dev/upkeep=now",
        "--overwrite",
    )


def wait_for_its_end(user: KubernetesUser, limit_s: float) -> list[Any]:
    """Return how each job ended, once none runs; raise FactBroken where one still does."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = user.find(USER_NAMESPACE, "backuprepositories", _repository())
        maintenance = found["status"].get("maintenance", {})
        jobs: list[Any] = maintenance.get("jobs", [])
        if "running" not in maintenance and jobs:
            return jobs
        time.sleep(LOOK_S)
    described = user.kubectl("describe", "brepo", _repository(), f"--namespace={USER_NAMESPACE}")
    raise FactBroken(f"the pass has not ended in {limit_s:.0f} s:\n{described}")


def jobs_table(jobs: Sequence[Any]) -> str:
    """Return the jobs as a table, as ``kubectl describe`` tells of them."""
    rows = [(each["job"], each["outcome"], each.get("message", "")) for each in jobs]
    lines = [("JOB", "OUTCOME", "MESSAGE"), *rows]
    return "\n".join(f"{job:<9}{outcome:<11}{message}" for job, outcome, message in lines)


def troubles(jobs: Sequence[Any]) -> Iterator[str]:
    """Yield each job that is missing or did not succeed."""
    outcomes = {each["job"]: each["outcome"] for each in jobs}
    for job in JOBS:
        if outcomes.get(job) != "Succeeded":
            yield f"{job}: {outcomes.get(job, 'not done')}"


def unread(session: Any, packs: int) -> Iterator[str]:
    """Yield how the session that reads back fell short of *packs* good ones."""
    status = session["status"]
    if status["outcome"] != "Succeeded":
        yield f"it ended as {status['outcome']}: {status.get('message', '')}"
    verified = status.get("verified", {})
    if verified.get("packs") != packs:
        yield f"{verified.get('packs', 0)} packs were read back, and {packs} are stored"
    if not verified.get("sampled"):
        yield f"no block was compared with a snapshot: {verified.get('unsampled', '')}"
    for what in ("bad", "refuted", "unreadable", "differing"):
        if verified.get(what, 0):
            yield f"{verified[what]} {what}"


def packs_put(entries: Iterable[Entry], host: str) -> int:
    """Return how many packs were stored in the repository at *host*."""
    return sum(_is_put(entry, host) and "/p/" in entry.path for entry in entries)


def stored_by_workers(entries: Iterable[Entry], host: str, container: str) -> Iterator[str]:
    """Yield what a worker has put into the repository in that *container* at *host*."""
    places = (f"/{container}/", f"/{container}-control/")
    for entry in entries:
        is_ours = _is_put(entry, host) and entry.path.startswith(places)
        if entry.caller != "appliance" and is_ours:
            yield f"{entry.caller} put {entry.path}"


def _is_put(entry: Entry, host: str) -> bool:
    return entry.host == host and entry.method == "PUT" and entry.succeeded


def _repository() -> str:
    name: str = example("repository.yaml")["metadata"]["name"]
    return name

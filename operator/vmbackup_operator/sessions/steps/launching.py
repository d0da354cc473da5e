"""WorkerReady: a worker VM of the region runs our agent, and the agent has said so itself."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from vmbackup_core.errors import LostAttempt
from vmbackup_core.protocol import (
    Launch,
    launch_parameters,
    launch_script,
)
from vmbackup_operator.arm_tags import joined_tags
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import SessionWorker
from vmbackup_operator.naming import (
    APPLIANCE_TAG,
    RUN_TAG,
    WORKER_TAG,
    ArmId,
    arm_id,
    events_queue,
    jobs_queue,
    launch_command,
    worker_id,
    worker_vm_name,
)
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.allocator import Displaced
from vmbackup_operator.sessions.findings import run_of, worker_of, worker_region, zone_wanted
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.remains import delete_all_queues
from vmbackup_operator.sessions.seen import (
    CommandWanted,
    Region,
    WorkerSeen,
    WorkerWanted,
)
from vmbackup_operator.sessions.step import Answer, Taken, TryAgain
from vmbackup_operator.sessions.steps.conversing import (
    conversation,
    delete_queues,
    launch_of,
    listen_to_worker,
)

#: What is said of a worker VM that will never run, where Azure names no reason.
_WHY = {"failed": "Azure could not provision it", "deleting": "somebody deletes it"}

_UPLOADING = Waiting(1, "the agent's bundle is being uploaded")


async def launch_worker(ground: Ground, session: Session) -> Taken:
    """Have a worker run for this session; Done once its agent has spoken."""
    region = await ground.regions.recall(worker_region(session))
    if isinstance(region, Waiting):
        return Taken(session.status, region)
    if session.status.worker is None:
        return await _assign_worker(ground, session, region)
    if session.status.worker.abandoned:
        return await _delete_abandoned(ground, session)
    if session.status.worker.launched_at is not None:
        return await _await_hello(ground, session, region)
    other = _given_before(ground, session)
    if other is not None:
        return await _leave_worker(ground, session, other)
    return await _prepare(ground, session, region)


async def _assign_worker(ground: Ground, session: Session, region: Region) -> Taken:
    """Give the session a worker that is idle, or the id of one to be made; nothing is asked yet."""
    existing = await ground.workers.of_group(region.subscription_id, region.resource_group)
    own = worker_id(run_of(session), session.status.attempt)
    chosen = ground.allocator.choose_worker(existing, session, region, own)
    if isinstance(chosen, Displaced):
        return Taken(session.status, await _make_room(ground, session, chosen))
    if isinstance(chosen, Waiting):
        return Taken(session.status, chosen)
    vm_id = arm_id(
        region.subscription_id,
        region.resource_group,
        "Microsoft.Compute/virtualMachines",
        worker_vm_name(chosen),
    )
    worker = SessionWorker(
        id=chosen,
        vm_id=vm_id,
        attempt=session.status.attempt,
    )
    return Taken(replace(session.status, worker=worker), Waiting(0, f"worker {chosen}"))


async def _make_room(ground: Ground, session: Session, idle: Displaced) -> Waiting:
    """Delete an idle worker that cannot serve the session, with its queues."""
    home = await ground.regions.recall_home()
    if isinstance(home, Waiting):
        return home
    message = f"worker {idle.worker} cannot serve this session: another one takes its room"
    waiting = Waiting(ground.pacing.look_again_s, message)
    if ground.allocator.leave(idle.worker, session.key) is not None:
        return waiting
    try:
        await delete_all_queues(ground, home.account, idle.worker)
        await ground.workers.delete(idle.vm_id)
    finally:
        ground.allocator.left(idle.worker, session.key)
    return waiting


async def _delete_abandoned(ground: Ground, session: Session) -> Taken:
    """Have a worker that is not trusted any more deleted before another one gets its job."""
    worker = worker_of(session)
    await delete_queues(ground, session)
    if not await ground.workers.delete(ArmId(worker.vm_id)):
        message = f"worker {worker.id} is being deleted"
        return Taken(session.status, Waiting(ground.pacing.look_again_s, message))
    ground.allocator.left(worker.id, session.key)
    message = f"worker {worker.id} has been deleted; another one is launched"
    return Taken(replace(session.status, worker=None), Waiting(0, message))


async def _prepare(ground: Ground, session: Session, region: Region) -> Taken:
    """Take the VM, and what its agent needs, to where the Run Command can be sent.

    That it will be is written down first: the agent may speak before Azure has said that the
    command was taken, and what it says before it was launched is an earlier session's.
    """
    worker, status = worker_of(session), session.status
    seen = await _running(ground, session, region)
    if seen is None:
        message = f"worker {worker.id}, which was idle, has gone: another one is chosen"
        await delete_queues(ground, session)
        return Taken(replace(status, worker=None), Waiting(0, message))
    bundle = await ground.bundles.ensure(region)
    if not isinstance(seen, WorkerSeen):
        return Taken(status, seen)
    if bundle is None:
        return Taken(status, _UPLOADING)
    if worker.launch is None or ground.ring.find(worker.key_id) is None:
        # Nobody was told of a launch before its command was sent: another key may have it.
        return await _draw_launch(ground, session, worker)
    waiting = await _queues_there(ground, worker)
    if waiting is not None:
        return Taken(status, waiting)
    launched = replace(worker, launched_at=ground.clock.now())
    return Taken(replace(status, worker=launched), Waiting(0, "the agent will be installed"))


def _given_before(ground: Ground, session: Session) -> ObjectKey | None:
    """Return the session that has the same worker and keeps it, None where nobody else has.

    Two processes that both believed they lead may have given one worker twice. Who has launched its
    agent keeps it, else who began first.
    """
    key = session.key
    holder = ground.allocator.holder_of(worker_of(session).id, key)
    other = None if holder is None else ground.book.find(holder)
    if other is None or other.status.worker is None:
        return None
    launched = other.status.worker.launched_at is not None
    return holder if launched or _began(other) < _began(session) else None


async def _leave_worker(ground: Ground, session: Session, other: ObjectKey) -> Taken:
    """Have another worker chosen: this one is *other*'s."""
    worker = worker_of(session)
    await delete_queues(ground, session)
    message = f"worker {worker.id} was given to {other} as well: another one is chosen"
    return Taken(replace(session.status, worker=None), Waiting(0, message))


def _began(session: Session) -> tuple[str, str]:
    began = session.status.start_time
    return ("" if began is None else began.isoformat(), session.metadata.uid)


async def _queues_there(ground: Ground, worker: SessionWorker) -> Waiting | None:
    """Have the launch's queues made; return what they wait for, None where both are there."""
    home = await ground.regions.recall_home()
    if isinstance(home, Waiting):
        return home
    for queue in (worker.events_queue, worker.jobs_queue):
        if not await ground.queues.ensure(home.account, queue):
            return Waiting(ground.pacing.look_again_s, f"queue {queue} is not there")
    return None


async def _draw_launch(ground: Ground, session: Session, worker: SessionWorker) -> Taken:
    """Give the launch its name: written down before its queues are made, so that they can go.

    What earlier launches of this worker left goes before: they open nothing from here on. A session
    that was made again without its status has launched the agent under the same command's name.
    """
    status, name = session.status, launch_command(run_of(session), worker.attempt)
    home = await ground.regions.recall_home()
    if isinstance(home, Waiting):
        return Taken(status, home)
    if await ground.commands.find(ArmId(worker.vm_id), name) is not None:
        await ground.commands.delete(ArmId(worker.vm_id), name)
        message = f"the command of an earlier launch of worker {worker.id} is being deleted"
        return Taken(status, Waiting(ground.pacing.look_again_s, message))
    await delete_all_queues(ground, home.account, worker.id)
    launch = ground.new_launch()
    named = replace(
        worker,
        launch=launch,
        key_id=ground.ring.active.id,
        jobs_queue=jobs_queue(worker.id, launch),
        events_queue=events_queue(worker.id, launch),
    )
    return Taken(replace(status, worker=named), Waiting(0, "the agent's launch has a name"))


async def _running(ground: Ground, session: Session, region: Region) -> WorkerSeen | Answer | None:
    """Return the session's VM once it runs; have it made, or started where it is stopped.

    None where it was another session's and has gone: its id is never given to another VM.
    """
    worker, run_id = worker_of(session), run_of(session)
    vm_id = ArmId(worker.vm_id)
    seen = await ground.workers.find(vm_id)
    inherited = worker.id != worker_id(run_id, worker.attempt)
    if inherited and (seen is None or seen.state == "deleting"):
        return None
    try:
        seen = await _ensure_running(ground, session, region, seen)
    except LostAttempt as error:
        # No room for this VM: what others give back makes some, with luck before the last retry.
        return TryAgain(error.reason, str(error), abandons_worker=True)
    match seen.state:
        case "running":
            return seen
        case "failed" | "deleting":
            message = f"worker VM {vm_id}: {seen.failure or _WHY[seen.state]}"
            return TryAgain("WorkerFailed", message, abandons_worker=True)
        case state:
            message = f"worker VM {worker.id} is {state}"
            return Waiting(ground.pacing.look_again_s, message)


async def _ensure_running(
    ground: Ground, session: Session, region: Region, seen: WorkerSeen | None
) -> WorkerSeen:
    """Have the VM made or started, whichever is owed, and return it as it is then."""
    worker, run_id = worker_of(session), run_of(session)
    vm_id = ArmId(worker.vm_id)
    if seen is None or seen.state == "creating":
        appliance_id = ground.settings.appliance.id
        own = {APPLIANCE_TAG: appliance_id, RUN_TAG: run_id, WORKER_TAG: worker.id}
        sealed = ground.ring.ownership(appliance_id).sealed_tag(vm_id)
        tags = joined_tags(region.tags, own, sealed)
        zone = zone_wanted(session) or ""
        wanted = WorkerWanted(vm_id, worker.id, run_id, region, tags, zone)
        seen = await ground.workers.ensure(wanted)
    if seen.state == "deallocated" and await ground.workers.start(vm_id):
        seen = await ground.workers.find(vm_id) or seen
    return seen


async def _send_command(ground: Ground, session: Session, region: Region) -> Answer:
    """Send the Run Command that installs the agent and starts it."""
    worker = worker_of(session)
    bundle = await ground.bundles.ensure(region)
    if bundle is None:
        return _UPLOADING
    home = await ground.regions.recall_home()
    if isinstance(home, Waiting):
        return home
    until = ground.bundle_access_until()
    container = await ground.signatures.container(region.account, bundle.container, "read", until)
    queues = await conversation(ground, home.account, worker)
    nonce, key = launch_of(ground, worker)
    launch = Launch(
        worker_id=worker.id,
        nonce=nonce,
        key=key,
        bundle_url=_folder_url(container.value, bundle.folder),
        bundle_sha256=bundle.list_sha256,
        jobs_url=queues.jobs_url,
        events_url=queues.events_url,
    )
    await ground.commands.run(
        CommandWanted(
            vm_id=ArmId(worker.vm_id),
            name=launch_command(run_of(session), worker.attempt),
            region=region.region,
            script=launch_script(),
            protected=launch_parameters(launch),
            tags=joined_tags(region.tags, {APPLIANCE_TAG: ground.settings.appliance.id}),
        )
    )
    return Waiting(ground.pacing.look_again_s, "the agent is being installed")


def _folder_url(container_url: str, folder: str) -> str:
    base, _, query = container_url.partition("?")
    return f"{base}/{folder}?{query}"


async def _await_hello(ground: Ground, session: Session, region: Region) -> Taken:
    """Tell whether the agent has spoken since it was launched: that alone proves that it runs."""
    worker, status = worker_of(session), session.status
    launched, heard = worker.launched_at, worker.last_heartbeat_time
    if launched is None:
        raise AssertionError("only a worker that was launched can be heard")
    listen_to_worker(ground, session, worker)
    name = launch_command(run_of(session), worker.attempt)
    command = await ground.commands.find(ArmId(worker.vm_id), name)
    if command is None:
        return await _send_again(ground, session, region)
    if heard is not None and heard >= launched:
        return Taken(status, Done(f"worker {worker.id} runs"))
    if command.state == "failed":
        ground.signatures.forget_keys()
        message = f"the agent could not be started on {worker.id}: {command.output.strip()[-500:]}"
        return Taken(status, TryAgain("LaunchFailed", message, abandons_worker=True))
    silent = ground.silence(worker.id, launched)
    if silent > timedelta(seconds=ground.pacing.worker_timeout_s):
        seen = await ground.workers.find(ArmId(worker.vm_id))
        if seen is None or seen.state != "running":
            return await _launch_anew(ground, session, seen)
    if silent > timedelta(seconds=ground.pacing.launch_timeout_s):
        ground.signatures.forget_keys()  # a worker whose queue refuses it can't say so
        output = command.output.strip()[-500:]
        message = (
            f"worker {worker.id} has not spoken for {silent.total_seconds():.0f} s since its "
            f"launch: check its way to the queue of {status_home(session)}. {output}"
        )
        return Taken(status, TryAgain("WorkerSilent", message.strip(), abandons_worker=True))
    return Taken(status, Waiting(ground.pacing.look_again_s, f"worker {worker.id} has not spoken"))


async def _send_again(ground: Ground, session: Session, region: Region) -> Taken:
    """Send the command that was not sent yet, or that Azure took and gave up: its error tells why.

    Queues may have gone though the launch is still on record: that it has ended could not be
    written down.
    """
    worker = worker_of(session)
    seen = await ground.workers.find(ArmId(worker.vm_id))
    if seen is not None and seen.state == "running":
        waiting = await _queues_there(ground, worker)
        return Taken(session.status, waiting or await _send_command(ground, session, region))
    return await _launch_anew(ground, session, seen)


async def _launch_anew(ground: Ground, session: Session, seen: WorkerSeen | None) -> Taken:
    """Have the agent launched once more: its VM, *seen* now, was stopped before it spoke.

    A VM that has gone since it was launched gets no second life under its id.
    """
    worker, status = worker_of(session), session.status
    if seen is None and worker.id == worker_id(run_of(session), worker.attempt):
        message = f"worker {worker.id} has gone before its agent spoke"
        return Taken(status, TryAgain("WorkerLost", message, abandons_worker=True))
    await delete_queues(ground, session)
    unlaunched = replace(status, worker=replace(worker, launched_at=None, launch=None))
    return Taken(unlaunched, Waiting(0, f"worker {worker.id} runs no more"))


def status_home(session: Session) -> str:
    """Return the account of the home region's queues, for messages."""
    resolved = session.status.resolved
    environment = None if resolved is None else resolved.environment
    home = None if environment is None else environment.home_storage_account_id
    return home or "the home region's account"

"""The commands and what they take; what each does lies in a module that it loads itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from vmbackup_operator.kubectl_plugin.call import Call, Output
from vmbackup_operator.kubectl_plugin.offered_names import (
    complete_machine,
    complete_point,
    complete_policy,
    complete_session,
)
from vmbackup_operator.kubectl_plugin.options import (
    AnsweringCommand,
    ClusterCommand,
    ListingCommand,
    asked_in,
    output_in,
)

_CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _call(context: typer.Context) -> Call:
    output: Output = output_in(context)
    return Call.made(context.obj, asked_in(context), output)


class _Group(TyperGroup):
    """The commands in the order in which they stand below."""


app = typer.Typer(
    name="kubectl vmbackup",
    cls=_Group,
    add_completion=False,
    rich_markup_mode=None,  # help is plain text, in a pipe too
    pretty_exceptions_enable=False,
    context_settings=_CONTEXT,
    help="Backups of Azure VMs: what is protected, what runs, and what needs you.",
)
policy = typer.Typer(help="What policies do.", rich_markup_mode=None)
app.add_typer(policy, name="policy")


def _say_version(context: typer.Context, asked: bool) -> None:  # noqa: FBT001 - typer's own call
    """Print which version this is, and which kinds it knows, and end."""
    if not asked or context.resilient_parsing:
        return
    from vmbackup_operator.cli.versions import product  # noqa: PLC0415
    from vmbackup_operator.model.metadata import API_VERSION  # noqa: PLC0415

    context.obj.write(f"vmbackup {product()}, kinds of {API_VERSION}\n")
    raise typer.Exit


@app.callback()
def _of_all_commands(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_say_version,
            help="Print the plugin's version and that of the kinds it knows.",
        ),
    ] = False,
) -> None:
    """Take what stands before any command."""


Policy = Annotated[str, typer.Argument(metavar="POLICY", autocompletion=complete_policy)]
SessionName = Annotated[
    str,
    typer.Argument(
        metavar="SESSION", help="NAME, bses/NAME or rses/NAME.", autocompletion=complete_session
    ),
]


@app.command(cls=ListingCommand)
def status(context: typer.Context) -> int:
    """Show what is protected, when last and next, and what needs attention."""
    from vmbackup_operator.kubectl_plugin.reading import show_status  # noqa: PLC0415

    return show_status(_call(context))


@app.command(cls=ListingCommand)
def sessions(
    context: typer.Context,
    policy: Annotated[
        str | None, typer.Option(help="Of this policy.", autocompletion=complete_policy)
    ] = None,
    vm: Annotated[str | None, typer.Option(help="Of this VM.")] = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Those that failed.")] = False,
    running: Annotated[bool, typer.Option("--running", help="Those under way.")] = False,
) -> int:
    """List backups, archives, verifications and restores, the newest last."""
    from vmbackup_operator.kubectl_plugin.reading import Wanted, show_sessions  # noqa: PLC0415

    return show_sessions(_call(context), Wanted(policy, vm, failed=failed, running=running))


@app.command(cls=ListingCommand)
def points(
    context: typer.Context,
    vm: Annotated[str | None, typer.Option(help="Of this VM.")] = None,
) -> int:
    """List recovery points, the newest of each VM last."""
    from vmbackup_operator.kubectl_plugin.reading import show_points  # noqa: PLC0415

    return show_points(_call(context), vm)


@policy.command("plan", cls=AnsweringCommand)
def policy_plan(
    context: typer.Context,
    name: Policy,
    slots: Annotated[int, typer.Option(help="How many slots ahead.")] = 3,
) -> int:
    """Show what the next slots do with which VMs, and why not with others."""
    from vmbackup_operator.kubectl_plugin.reading import show_plan  # noqa: PLC0415

    return show_plan(_call(context), name, slots)


@app.command(cls=ClusterCommand)
def watch(context: typer.Context, name: SessionName) -> int:
    """Watch a session until it has ended; exit 1 where it has not succeeded."""
    from vmbackup_operator.kubectl_plugin.watch_loop import watch_session  # noqa: PLC0415

    return watch_session(_call(context), name)


@app.command(cls=ClusterCommand)
def run(
    context: typer.Context,
    name: Policy,
    vm: Annotated[
        list[str] | None,
        typer.Option(help="This VM alone; may be repeated.", autocompletion=complete_machine),
    ] = None,
) -> int:
    """Back up now: every VM of a policy, or some."""
    from vmbackup_operator.kubectl_plugin.requests import run_now  # noqa: PLC0415

    return run_now(_call(context), name, vm or [])


@app.command(cls=ClusterCommand)
def retry(context: typer.Context, name: SessionName) -> int:
    """End a session's pause before its next attempt."""
    from vmbackup_operator.kubectl_plugin.requests import retry_now  # noqa: PLC0415

    return retry_now(_call(context), name)


@app.command(cls=ClusterCommand)
def cancel(context: typer.Context, name: SessionName) -> int:
    """Have a session end; what it made is undone."""
    from vmbackup_operator.kubectl_plugin.requests import cancel_now  # noqa: PLC0415

    return cancel_now(_call(context), name)


@app.command(cls=ClusterCommand)
def restore(  # noqa: PLR0913 - each of them is an option of the command
    context: typer.Context,
    point: Annotated[
        str | None,
        typer.Argument(
            metavar="[POINT]",
            help="Else asked for, or the newest of --vm.",
            autocompletion=complete_point,
        ),
    ] = None,
    *,
    vm: Annotated[str | None, typer.Option(help="The newest point of this VM.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="With --vm: the newest up to then.")
    ] = None,
    mode: Annotated[Literal["Disks", "VirtualMachine", "Rewind"], typer.Option()] = "Disks",
    subscription: Annotated[str | None, typer.Option(help="Else the VM's.")] = None,
    resource_group: Annotated[str | None, typer.Option(help="Else the VM's.")] = None,
    region: Annotated[str | None, typer.Option(help="Else the VM's.")] = None,
    subnet: Annotated[str | None, typer.Option(metavar="ID", help="For VirtualMachine.")] = None,
    vm_name: Annotated[str | None, typer.Option(help="For VirtualMachine.")] = None,
    vm_size: Annotated[str | None, typer.Option(help="For VirtualMachine.")] = None,
    disk: Annotated[list[str] | None, typer.Option(help="os or a LUN; may be repeated.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the RestoreSession.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the manifest alone.")] = False,
) -> int:
    """Bring a recovery point back: as disks, as a new VM, or in place of the VM's disks."""
    from vmbackup_operator.kubectl_plugin.manifests import RestoreAsked  # noqa: PLC0415
    from vmbackup_operator.kubectl_plugin.restoring import Which, restore_chosen  # noqa: PLC0415

    asked = RestoreAsked(
        mode=mode,
        name=name,
        subscription=subscription,
        resource_group=resource_group,
        region=region,
        subnet=subnet,
        vm_name=vm_name,
        vm_size=vm_size,
        disks=tuple(disk or ()),
    )
    return restore_chosen(_call(context), Which(point, vm, at), asked, dry_run=dry_run)


@app.command(cls=ListingCommand)
def report(
    context: typer.Context,
    output_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Else vmbackup-report-TIME.tar.gz.")
    ] = None,
    operator_namespace: Annotated[
        str, typer.Option(metavar="NAME", help="Where the operator runs.")
    ] = "vmbackup-system",
) -> int:
    """Write a support bundle without secrets: objects, events, the operator's log."""
    from vmbackup_operator.kubectl_plugin.requests import write_report  # noqa: PLC0415

    return write_report(_call(context), output_file, operator_namespace)


@app.command()
def completion(
    context: typer.Context,
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL")],
) -> int:
    """Print what completes kubectl-vmbackup in bash, zsh or fish."""
    from vmbackup_operator.kubectl_plugin.shell_scripts import script_for  # noqa: PLC0415

    context.obj.write(script_for(shell, context.find_root().command))
    return 0

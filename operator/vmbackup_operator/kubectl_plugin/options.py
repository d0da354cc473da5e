"""What every command takes of where it looks, as kubectl has it, and how it answers."""

from __future__ import annotations

from typing import Any

import click
from typer.core import TyperCommand, TyperOption
from typing_extensions import override

from vmbackup_operator.kubectl_plugin.call import Output
from vmbackup_operator.kubectl_plugin.place import Asked


class ClusterCommand(TyperCommand):
    """A command that looks into a cluster: it takes what kubectl takes for that."""

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [
            _option("--namespace", "-n", metavar="NAME", help="Namespace, else the context's."),
            _option("--context", metavar="NAME", help="Context of the kubeconfig."),
            _option("--kubeconfig", metavar="FILE", help="Else KUBECONFIG, else ~/.kube/config."),
        ]


class ListingCommand(ClusterCommand):
    """One that answers about all objects of a place."""

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            _option("--all-namespaces", "-A", is_flag=True, help="All that you may see.")
        )
        self.params.append(_output())


class AnsweringCommand(ClusterCommand):
    """One that answers about one object."""

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_output())


def _option(*names: str, **settings: Any) -> TyperOption:
    """Return an option that is kept for `_call` and not given to the command."""
    return TyperOption(
        param_decls=list(names), expose_value=False, callback=_keep, default=None, **settings
    )


def _output() -> TyperOption:
    return _option(
        "--output", "-o", type=click.Choice(["table", "json", "yaml"]), help="Form of the answer."
    )


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    context.meta[f"vmbackup.{parameter.name}"] = value
    return value


def asked_in(context: click.Context) -> Asked:
    """Return what the command line says of the cluster."""
    said = {
        name: context.meta.get(f"vmbackup.{name}")
        for name in ("kubeconfig", "context", "namespace")
    }
    return Asked(**said, everywhere=bool(context.meta.get("vmbackup.all_namespaces")))


def output_in(context: click.Context) -> Output:
    """Return in which form the command line wants the answer."""
    output: Output = context.meta.get("vmbackup.output") or "table"
    return output

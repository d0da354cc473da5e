"""Starts the operator: python -m vmbackup_operator --config FILE.

What serves takes seconds to load. So the settings are looked at first, and what is wrong with them
is said before.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import BUNDLE_LIST, shown_lines
from vmbackup_operator.settings import LogFormat, Settings, WrongSettings, load

#: The exit code of a start that only somebody's hand can make succeed.
WRONG_SETTINGS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM; return the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        return _serve(_startable(asked.config), asked)
    except PermanentError as error:
        sys.stderr.write(f"{shown_lines(str(error))}\n")
        return WRONG_SETTINGS


def _serve(settings: Settings, asked: argparse.Namespace) -> int:
    # What is loaded stays: looking for garbage in it is a quarter of what a start computes, and
    # would be a part of every later look for what sessions have left.
    gc.disable()
    from vmbackup_operator.process import serve  # noqa: PLC0415 - only now: see the module

    gc.freeze()
    gc.enable()
    return serve(settings, asked)


def _startable(path: Path) -> Settings:
    """Return the settings in *path*; raise WrongSettings where they cannot serve here.

    A bundle that is missing would be said by the first session only, hours later.
    """
    settings = load(path)
    if not (settings.workers.bundle_path / BUNDLE_LIST).is_file():
        problem = f"workers.bundle: {settings.workers.bundle} holds no {BUNDLE_LIST}"
        raise WrongSettings(str(path), [f"{problem}: name the folder that `make bundle` made"])
    return settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vmbackup-operator", description="Backs up Azure VMs in private networks."
    )
    parser.add_argument("--config", type=Path, required=True, help="the settings, YAML or JSON")
    parser.add_argument(
        "--health",
        default="127.0.0.1:0",
        metavar="HOST:PORT",
        help="where /livez, /readyz and /metrics are served; port 0 takes a free one "
        "(default %(default)s)",
    )
    parser.add_argument(
        "--health-port-file", type=Path, help="where the port of the health endpoint is written"
    )
    parser.add_argument(
        "--instance",
        metavar="NAME",
        help="what this process is called among several of one appliance: started again under its "
        "name it goes on at once (default: host and process)",
    )
    parser.add_argument(
        "--log-format",
        choices=get_args(LogFormat),
        help="how lines are logged, whatever logging.format of the settings says",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="say which version this is")
    parser.add_argument("--verbose", action="store_true", help="log for who looks for a fault")
    return parser


class _Version(argparse.Action):
    """Says the version when it is asked for: finding it out takes a part of what serves."""

    @override
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from vmbackup_operator.cli.versions import versions  # noqa: PLC0415 - see the module

        sys.stdout.write(f"{versions()}\n")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())

"""Starts the agent with the interpreter's own library and the bundle's packages, nothing else."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "site"))

from vmbackup_worker.__main__ import main

sys.exit(main(sys.argv[1:]))

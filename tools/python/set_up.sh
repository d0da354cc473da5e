#!/bin/sh
# Makes the virtual environment from the locked requirements, with this project in it (editable).
# Whatever comes from a registry is locked by its hash: the tools that set up no less than the rest.
set -eu
"$PYTHON" - <<'PY' || { echo "vmbackup needs Python 3.11 or later: make PYTHON=/path/to/python3.11" >&2; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
PY
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: -r tools/python/requirements-set-up.txt
# Compiled here and once: without that, each operator that a test starts pays for it.
UV_LINK_MODE="${UV_LINK_MODE:-copy}" VIRTUAL_ENV="$VENV" "$VENV/bin/uv" pip install --quiet --compile-bytecode --require-hashes -r tools/python/requirements.txt
VIRTUAL_ENV="$VENV" "$VENV/bin/uv" pip install --quiet --no-deps --no-build-isolation --editable .

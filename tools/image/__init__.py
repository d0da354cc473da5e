"""The operator's container image: an OCI layout for amd64 and arm64, made without a daemon.

`make image` puts it into build/image. Everything in it is locked: Debian's packages by
tools/image/debian.lock, wheels by the hashes that the tests' own environment is made of, workers'
bundles by worker_agent/requirements.txt. Nothing that is built runs a maintainer script or an
emulated program, and the same inputs give the same digest.
"""

"""Benchmarks: each runs the product as users do and writes what it cost to ``build/bench/``.

`make bench` calls it; the simulated Azure's journal is what counts, not what the operator says.
"""

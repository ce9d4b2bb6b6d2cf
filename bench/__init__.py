"""Benchmarks: `bench.load` times streams against peers, `bench.micro` times functions."""

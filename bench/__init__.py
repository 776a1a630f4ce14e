"""Benchmarks. Run one as a script: `python bench/collectives.py --help`."""

"""Measurements of Twofold against the floor of the same machine: `python -m bench`. See docs/benchmarks.md."""

"""Shared by all tests: mmws is imported before any host, as every tool does."""

import os

# One thread a process: the suite runs on small machines, and small tensors gain nothing from more.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import mmws  # noqa: F401

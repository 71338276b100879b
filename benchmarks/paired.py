"""Comparing implementations on a noisy machine: in turn, round by round, as ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


def seconds_in_turn(
    functions: dict[str, Callable[[], object]],
    *,
    rounds: int = 15,
    device: str = 'cpu',
) -> dict[str, list[float]]:
    """Runs all functions once per round, after one warm-up; name -> seconds of each round.

    On a CPU they are the process's own: other work on the machine changes them little.
    """
    on_cpu = device == 'cpu'
    clock = time.process_time if on_cpu else time.perf_counter
    seconds = {name: [] for name in functions}
    for round_ in range(rounds + 1):
        for name, function in functions.items():
            if not on_cpu:
                torch.cuda.synchronize()
            start = clock()
            function()
            if not on_cpu:
                torch.cuda.synchronize()
            if round_:
                seconds[name].append(clock() - start)
    return seconds


def ratio(of: list[float], to: list[float]) -> float:
    """The median over the rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(of, to, strict=True))


def peak_bytes(function: Callable[[], object], device: torch.device) -> int:
    """How far torch's memory rises above its start while the function runs."""
    function()
    if device.type == 'cuda':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        return torch.cuda.max_memory_allocated() - before
    # The resident size would show what the C library keeps; the profiler sees each tensor.
    with torch.profiler.profile(profile_memory=True) as profiler:
        function()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == '[memory]']
    used = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        used += event.nbytes()
        peak = max(peak, used)
    return peak

"""A progress bar for work that takes hours: rate and time left."""

from __future__ import annotations

import sys
import time
from typing import TextIO


class ProgressBar:
    """Prints how far the work is: ``[####    ] 5291/10582  3.4 images/s, 26 min left``.

    On a terminal one line is rewritten; in a log file a line appears now and then.

    Args:
        total: Number of images.
        file: Where to print; standard error by default.
        unit: What is counted.
    """

    _WIDTH = 24

    def __init__(self, total: int, *, file: TextIO | None = None, unit: str = 'images'):
        self.total = total
        self.done = 0
        self._file = sys.stderr if file is None else file
        self._unit = unit
        self._tty = self._file.isatty()
        self._start = time.monotonic()
        self._printed = self._start
        self._interval = 0.2 if self._tty else 30.0

    def advance(self, count: int = 1) -> None:
        """Counts finished images, and prints if it is time to."""
        self.done += count
        now = time.monotonic()
        if now - self._printed >= self._interval:
            self._printed = now
            self._print()

    @property
    def rate(self) -> float:
        """Images per second since the start."""
        return self.done / max(time.monotonic() - self._start, 1e-9)

    def close(self) -> None:
        """Prints the last state."""
        if self.total:
            self._print()
            if self._tty:
                self._file.write('\n')
            self._file.flush()

    def __str__(self) -> str:
        filled = self._WIDTH * self.done // max(self.total, 1)
        text = f'[{"#" * filled:<{self._WIDTH}}] {self.done}/{self.total}'
        if not self.done:
            return text
        text += f'  {self.rate:.3g} {self._unit}/s'
        if self.done < self.total:
            return f'{text}, {_duration((self.total - self.done) / self.rate)} left'
        return f'{text}, took {_duration(self.done / self.rate)}'

    def _print(self) -> None:
        self._file.write(f'\r{self}\033[K' if self._tty else f'{self}\n')
        self._file.flush()


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f'{seconds:.0f} s'
    if seconds < 5400:
        return f'{seconds / 60:.0f} min'
    return f'{seconds / 3600:.1f} h'

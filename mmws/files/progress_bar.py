"""A progress bar for work that takes hours, on a terminal and in a log file."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from mmengine.utils import ProgressBar as Bar

_WIDTH = 24
# Seconds between two lines in a log file, and between two states of the line on a terminal.
_LOG, _TERMINAL = 30.0, 0.2


class ProgressBar(Bar):
    """mmengine's progress bar, which prints a line now and then in a log file."""

    def __init__(self, total: int, *, file: TextIO | None = None):
        super().__init__(total, bar_width=_WIDTH, start=False, file=file or sys.stderr)
        self._waiting = 0
        self._printed = time.monotonic()
        if total:
            self.start()

    def advance(self, count: int = 1) -> None:
        """Count finished images, and print if it is time to."""
        self._waiting += count
        last = self.completed + self._waiting >= self.task_num
        interval = _TERMINAL if self.file.isatty() else _LOG
        if last or time.monotonic() - self._printed >= interval:
            self._printed = time.monotonic()
            if not self.file.isatty():
                self.file.write('\n')
            self.update(self._waiting)
            self._waiting = 0

    def close(self) -> None:
        """End the line."""
        if self.task_num:
            self.file.write('\n')
            self.file.flush()

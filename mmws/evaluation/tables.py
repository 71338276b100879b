"""Numbers for people and for programs."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence

from mmws.files.atomic_write import write_atomically


def text_table(rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> str:
    """Align the columns of a table to the right, and some of them to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return '\n'.join(
        '  '.join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def number(value: float, form: str = '.1f', *, times: float = 1) -> str:
    """Write a number; a dash where it is not defined."""
    return '-' if math.isnan(value) else format(times * float(value), form)


def percent(value: float) -> str:
    """Write a share in percent; a dash where it is not defined."""
    return number(value, times=100)


def write_json(path: str | os.PathLike, content: dict) -> None:
    """Write a JSON file, with null for NaN and infinity."""
    content = json.loads(json.dumps(content), parse_constant=lambda _: None)
    text = json.dumps(content, indent=1)
    write_atomically(path, (text + '\n').encode())

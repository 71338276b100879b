"""Types of command-line arguments."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable


def at_least(lowest: int, most: int | None = None) -> Callable[[str], int]:
    """Make a ``type`` for argparse: whole numbers from ``lowest`` on, up to ``most``.

    With ``type=int`` a limit of -1 leaves out the last image without a word.
    """
    bounds = f'of at least {lowest}' if most is None else f'from {lowest} to {most}'

    def whole_number(text: str) -> int:
        number = int(text)  # argparse reports its ValueError under this function's name
        if number < lowest or (most is not None and number > most):
            raise ArgumentTypeError(f'must be a whole number {bounds}; got {number}')
        return number

    return whole_number

"""What the results in a folder depend on, written down beside them."""

from __future__ import annotations

import json
from pathlib import Path

from mmws.files.atomic_write import write_atomically

_NAME = 'data.json'


def check_claim(folder: Path, wanted: dict) -> None:
    """Refuses a folder of results on other data; one without a claim is anyone's.

    Raises:
        FileExistsError: Its results depend on something else.
    """
    path = folder / _NAME
    if not path.is_file():
        return
    found = json.loads(path.read_text())
    if found != wanted:
        raise FileExistsError(
            f'{folder} holds data made with {found}; asked for is {wanted}. Choose another folder '
            'with --out.'
        )


def write_claim(folder: Path, wanted: dict) -> None:
    """Writes down what the results in a folder are going to depend on."""
    write_atomically(folder / _NAME, json.dumps(wanted).encode())

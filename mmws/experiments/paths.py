"""Where the configs and tools are, in a checkout and in an installed package."""

from __future__ import annotations

from pathlib import Path

import mmws


def project_root() -> Path:
    """The folder that holds ``configs`` and ``tools``: the checkout, or ``mmws/.mim``.

    Raises:
        FileNotFoundError: There is neither.
    """
    package = Path(mmws.__file__).parent
    for root in (package.parent, package / '.mim'):
        if (root / 'configs' / 'tables').is_dir() and (root / 'tools' / 'train.py').is_file():
            return root
    raise FileNotFoundError(
        f'configs and tools of mmws are neither beside {package} nor in it. Install mmws from a '
        'wheel or from a checkout.'
    )

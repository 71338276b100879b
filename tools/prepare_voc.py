"""Looks at VOC 2012 on this disk: what is there, what is missing, where it comes from, what next.

    python tools/prepare_voc.py

Reads and changes nothing but --root and data/. The exit status is 1 while the paper's main result
(Table 6) lacks something that only its publishers have.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import mmws  # noqa: F401  (before mmseg)
from mmws.experiments.voc_checklist import checklist, next_steps


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--root', type=Path, default=Path('data/VOCdevkit/VOC2012'))
    args = parser.parse_args(argv)
    items = checklist(args.root)
    for item in items:
        print(f'{"ok     " if item.problem is None else "MISSING"}  {item.name}: {item.use}')
        if item.problem is not None:
            print(f'         {item.problem}\n         from: {item.source}')
    print('\nNext:')
    for step in next_steps(items, args.root):
        print(f'  {step}')
    sys.exit(int(any(item.problem and item.required for item in items)))


if __name__ == '__main__':
    main()

"""Looks at VOC 2012 on this disk: what is there, what is missing, where it comes from, what next.

    python tools/prepare_voc.py

Reads and changes nothing but --root and data/. The exit status is 1 while the paper's main result
(Table 6) lacks something that only its publishers have.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmws.experiments.voc_data import VOC_ROOT, VOCData


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--root', type=Path, default=VOC_ROOT, help='data root of VOC 2012 (%(default)s)'
    )
    args = parser.parse_args(argv)
    data = VOCData(Path(), args.root)
    for item in data.checklist():
        print(f'{"MISSING" if item.problem else "ok     "}  {item.name}: {item.use}')
        if item.problem:
            print(f'         {item.problem}\n         from: {item.source}')
    missing = data.lacking()
    print('\nNext:')
    for step in [f'fetch {name}' for name in missing] or data.next_steps():
        print(f'  {step}')
    sys.exit(int(bool(missing)))


if __name__ == '__main__':
    main()

"""Packs folders of seeds, each into one zip file that stands in its place.

    python tools/pack_seeds.py data/pseudo/irn data/pseudo/seam

makes data/pseudo/irn.zip and seam.zip. Wherever a folder of seeds is named, training and tools take
the archive, too, and find it by the folder's name once that is gone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmws.files.folder import SEED_MANIFEST, SeedFolder
from mmws.files.storage import pack_folder


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folders', nargs='+', type=Path, help='folders of seeds')
    parser.add_argument('--out', type=Path, help='folder of the archives (beside the folders)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        for folder in args.folders:
            if not folder.is_dir():
                raise FileNotFoundError(f'there is no folder {folder}.')
            manifest = SeedFolder(folder, {})
            if manifest.stored_recipe() is not None and not manifest.is_complete:
                raise ValueError(
                    f'{folder} is not complete ({SEED_MANIFEST} says so): run again what makes it.'
                )
            archive = (args.out or folder.resolve().parent) / f'{folder.resolve().name}.zip'
            count = pack_folder(folder, archive)
            print(f'{archive}: {count} files, {archive.stat().st_size / 1e6:.1f} MB')
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()

"""What the paper's recipe needs of VOC 2012, and who publishes it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from .cells import TWELVE
from .voc_data import folder_problem, how_to_make, missing_files

_TRAINVAL = 'the trainval archive of PASCAL VOC 2012 (VOCtrainval_11-May-2012.tar)'
_PRETRAINED = Path('data/pretrained')
_SEEDS = Path('data/seeds')


class Item(NamedTuple):
    """A part of the data.

    Attributes:
        name: Its path.
        use: What it is for.
        source: Who publishes it.
        problem: What is missing; None: nothing.
        required: Whether Table 6 needs it, or its seeds where they are not there yet.
    """

    name: str
    use: str
    source: str
    problem: str | None
    required: bool = True


def checklist(root: Path) -> list[Item]:
    """Look at the data.

    Args:
        root: VOC 2012.
    """
    lists = root / 'ImageSets' / 'Segmentation'

    def files(name: str, split: str, suffix: str) -> str | None:
        ids = lists / f'{split}.txt'
        if not ids.is_file():
            return f'cannot be checked without {ids}'
        return missing_files(ids, root / name, suffix)

    def file(path: Path) -> str | None:
        return None if path.is_file() else f'there is no {path}'

    res38 = _PRETRAINED / 'ilsvrc-cls_rna-a1_cls1000_ep-0001.params'
    caffe = _PRETRAINED / 'vgg16_20M.pth'
    # Who has the seeds does not need what they are made of.
    unmade = any(folder_problem(_SEEDS / name) for name in TWELVE.seeds)
    aug = (
        'SBD, the Semantic Boundaries Dataset, as PNGs in one folder with the masks of VOC: the '
        'field shares it as SegmentationClassAug (DeepLab, OAA, IRN). For val alone '
        "trainval's SegmentationClass will do"
    )
    return [
        Item(f'{lists}/val.txt', '1,449 images to test on', _TRAINVAL, file(lists / 'val.txt')),
        Item(
            f'{lists}/train_aug.txt',
            '10,582 images to train on',
            'the code of AffinityNet (PSA), IRN, SEAM or OAA (voc12/train_aug.txt): the same ids',
            file(lists / 'train_aug.txt'),
        ),
        Item(
            f'{root}/JPEGImages',
            'the photos',
            _TRAINVAL,
            files('JPEGImages', 'train_aug', '.jpg') or files('JPEGImages', 'val', '.jpg'),
        ),
        Item(
            f'{root}/Annotations',
            'image-level labels',
            _TRAINVAL,
            files('Annotations', 'train_aug', '.xml'),
            required=unmade,
        ),
        Item(
            f'{root}/SegmentationClassAug (val)',
            'masks to test with',
            aug,
            files('SegmentationClassAug', 'val', '.png'),
        ),
        Item(
            f'{root}/SegmentationClassAug (train_aug)',
            'masks for the cell "ground truth" and for Table 1',
            aug,
            files('SegmentationClassAug', 'train_aug', '.png'),
            required=False,
        ),
        Item(
            f'{root}/saliency',
            'where the background of the seeds is',
            'the maps that OAA and ICD publish as saliency_aug (DSS), or your own: '
            'docs/saliency.md',
            files('saliency', 'train_aug', '.png'),
            required=unmade,
        ),
        Item(
            str(res38),
            "ImageNet weights of ResNet38 (VGG16's are downloaded by torchvision)",
            'ademxapp, its model A1; the README of AffinityNet (PSA) names it',
            file(res38),
            required=unmade,
        ),
        Item(
            str(caffe),
            'the VGG16 of the authors, for run_table.py --weights',
            'DeepLab (vgg16_20M.caffemodel), converted as docs/classification.md says',
            file(caffe),
            required=False,
        ),
        Item(
            f'{lists}/test.txt',
            'for the test server',
            'the test archive of PASCAL VOC 2012, from its evaluation server',
            files('JPEGImages', 'test', '.jpg'),
            required=False,
        ),
    ]


def next_steps(items: list[Item], root: Path) -> list[str]:
    """Return the commands to go on with, or what has to be fetched first."""
    missing = [item.name for item in items if item.required and item.problem]
    if missing:
        return [f'fetch {name}' for name in missing]
    seeds = [folder for name in TWELVE.seeds if folder_problem(folder := _SEEDS / name)]
    if not seeds:
        return ['python tools/run_table.py table6 --data voc12 --repeats 3']
    steps = []
    for command in dict.fromkeys(how_to_make(folder, root) for folder in seeds):
        config = command.split()[2]
        steps += [f'python tools/train.py {config}', command]
    return steps

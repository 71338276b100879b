"""VOC's animals, as docs/photos.md makes them, with EfficientNet-Lite for both networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from .cells import Training
from .data import LISTS
from .voc_data import Item, VOCData, file, files_of


@dataclass(frozen=True)
class PhotosData(VOCData):
    """What the commands of docs/photos.md have made."""

    root: Path = Path('data/voc_animals')

    kind = configs = 'photos'
    config_root = root
    networks = MappingProxyType(
        {'vgg16': 'lite0', 'VGG16': 'Lite0', 'res38': 'lite2', 'ResNet38': 'Lite2'}
    )
    test_flags = ()
    train_list = 'train_balanced'
    classifiers = 'configs/photos/{0}_cam.py work_dirs/{0}_cam/epoch_2.pth'

    def seed_parent(self, training: Training) -> Path:
        return self.seed_root / f'photo_{training.seed_folder}'

    def checklist(self) -> list[Item]:
        source = 'tools/make_voc_subset.py (docs/photos.md)'
        lists = ['train_balanced', 'val']
        return [
            *(
                file('training', self.root / LISTS / f'{name}.txt', f'the list {name}', source)
                for name in lists
            ),
            files_of(self.root, 'training', 'JPEGImages', lists, 'the photos', source),
            files_of(self.root, 'training', 'SegmentationClassAug', lists[1:], 'masks', source),
            files_of(self.root, 'masks', 'SegmentationClassAug', lists[:1], 'masks', source),
            file(
                'training',
                Path('work_dirs/lite0_cam/epoch_2.pth'),
                'the classifier that segmentors start from',
                'tools/train.py configs/photos/lite0_cam.py',
            ),
        ]

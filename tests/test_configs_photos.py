"""The configs of the photos: both stages, masks and seeds speak of the same classes."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import DATASETS as IMAGE_DATASETS
from mmseg.registry import DATASETS, MODELS
from PIL import Image

import mmws
from mmws.classification import build_classifier
from mmws.classification.seed_generation import recipe_of
from mmws.classification.seed_images import dataset_images

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs/photos'
SIX = ('cat', 'cow', 'dog', 'horse', 'person', 'sheep')
SIZE = (40, 48)
SEGMENTORS = sorted(path.stem for path in CONFIGS.glob('deeplabv2_*.py'))


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two photos, a cow and a sheep, with VOC's masks and one seed each, where the configs look."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / 'data/voc_animals'
    for folder in ('JPEGImages', 'SegmentationClassAug', 'saliency', 'ImageSets/Segmentation'):
        (root / folder).mkdir(parents=True)
    for name, label in (('a', 10), ('b', 17)):
        pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
        Image.fromarray(pixels).save(root / f'JPEGImages/{name}.jpg')
        mask = np.zeros(SIZE, np.uint8)
        mask[:20], mask[20:24] = label, 255
        Image.fromarray(mask).save(root / f'SegmentationClassAug/{name}.png')
        Image.fromarray(mask).save(root / f'saliency/{name}.png')
    for split in ('train_balanced', 'val'):
        (root / f'ImageSets/Segmentation/{split}.txt').write_text('a\nb\n')
    for split in ('train', 'val'):
        (root / f'ImageSets/{split}_labels.txt').write_text('a cow\nb sheep\n')
    return root


def load(name):
    config = Config.fromfile(CONFIGS / f'{name}.py')
    init_default_scope(config.default_scope)
    return config


@pytest.mark.parametrize('name, width', [('lite0', 320), ('lite2', 352)])
def test_the_two_classifiers_differ_in_their_network_only(name, width, photos):
    config = load(f'{name}_cam')
    model = build_classifier(config)
    assert model.backbone.conv_head.in_channels == width
    # The blocks before the last stride keep their weights.
    frozen = [
        not any(p.requires_grad for p in block.parameters()) for block in model.backbone.blocks
    ]
    assert frozen == [block.project_conv.out_channels <= 120 for block in model.backbone.blocks]
    dataset = IMAGE_DATASETS.build(config.train_dataloader.dataset)
    assert [dataset[i]['data_samples'].gt_label.tolist() for i in range(2)] == [[1], [5]]
    assert dataset.CLASSES == SIX
    recipe = recipe_of(config, types=['threshold'])
    assert recipe.prefix == name
    voc = DATASETS.get('mmseg.PascalVOCDataset').METAINFO['classes']
    assert [voc[label] for label in recipe.labels] == list(SIX)


def test_masks_and_seeds_count_the_six_classes_from_one(photos):
    config = load('deeplabv2_lite0_12seeds')
    for folder in config.train_dataloader.dataset.seed_dirs:
        (Path('data/photo_seeds') / folder).mkdir(parents=True)
        for path in (photos / 'SegmentationClassAug').iterdir():
            (Path('data/photo_seeds') / folder / path.name).write_bytes(path.read_bytes())
    for loader in (config.train_dataloader, config.val_dataloader):
        dataset = DATASETS.build(loader.dataset)
        assert dataset.metainfo['classes'] == ('background', *SIX)
        for index, label in enumerate((2, 6)):
            sample = dataset[index]['data_samples']
            assert set(sample.gt_sem_seg.data.unique().tolist()) <= {0, label, 255}
            assert label in sample.gt_sem_seg.data
            if 'gt_seeds' in sample:
                assert set(sample.gt_seeds.data.unique().tolist()) <= {0, label, 255}


@pytest.mark.parametrize('name', SEGMENTORS)
def test_segmentors_start_from_the_classifier(name, photos):
    config = load(name)
    trunk = mmws.EfficientNetLite('lite0').state_dict()
    Path(config.classifier).parent.mkdir(parents=True)
    torch.save({f'backbone.{key}': value for key, value in trunk.items()}, config.classifier)
    model = MODELS.build(config.model)
    model.init_weights()
    assert torch.equal(model.backbone.conv_stem.weight, trunk['conv_stem.weight'])
    assert model.decode_head.conv_seg.weight.shape == (7, 1280, 3, 3)
    assert config.crop_size[0] % 16 == 1


@pytest.fixture
def guide(tmp_path, monkeypatch):
    """The configs of docs/photos.md, saved as it says, beside photos of one's own."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'docs/photos.md').read_text(), re.DOTALL)
    names = ('my_lite0', 'my_lite2', 'my_segmentor', 'my_resnet18')
    for name, text in zip(names, blocks, strict=True):
        Path(f'{name}.py').write_text(text.replace("'configs/", f"'{ROOT}/configs/"))
    seeds = [
        f'seeds/{folder}'
        for folder in load('deeplabv2_lite0_12seeds').train_dataloader.dataset.seed_dirs
    ]
    for folder in ('JPEGImages', 'saliency', *seeds):
        (tmp_path / 'data/mine' / folder).mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    labels = np.zeros(SIZE, np.uint8)
    labels[:20] = 2
    Image.fromarray(pixels).save('data/mine/JPEGImages/0001.jpg')
    for folder in ('saliency', *seeds):
        Image.fromarray(labels).save(f'data/mine/{folder}/0001.png')
    Path('data/mine/labels.txt').write_text('0001 dog\n')
    return tmp_path


@pytest.mark.parametrize('name, prefix', [('my_lite0', 'lite0'), ('my_lite2', 'lite2')])
def test_classifiers_of_the_guide_take_photos_of_one_s_own(name, prefix, guide):
    config = Config.fromfile(f'{name}.py')
    init_default_scope('mmpretrain')
    assert build_classifier(config).head.num_classes == 2
    recipe = recipe_of(config, types=['threshold'])
    assert recipe.prefix == prefix and recipe.labels is None
    (image,) = dataset_images(IMAGE_DATASETS.build(config.train_dataloader.dataset), recipe)
    assert image.image_id == '0001' and image.class_ids == (1,)


def test_the_segmentor_of_the_guide_takes_their_seeds(guide):
    config = Config.fromfile('my_segmentor.py')
    init_default_scope('mmseg')
    sample = DATASETS.build(config.train_dataloader.dataset)[0]['data_samples']
    assert sample.gt_seeds.data.shape[0] == 12
    assert 2 in sample.gt_seeds.data
    assert MODELS.build(config.model).decode_head.conv_seg.out_channels == 3


def test_another_trunk_of_the_guide_gives_class_maps(guide):
    model = build_classifier('my_resnet18.py').eval()
    assert model.head.class_maps(model.backbone(torch.zeros(1, 3, 65, 65))).shape == (1, 6, 5, 5)

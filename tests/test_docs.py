"""The configs and scripts of the guides are run as they are printed there."""

import re
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from PIL import Image

import mmws

REPOSITORY = Path(__file__).resolve().parents[1]
GUIDE = REPOSITORY / 'docs/your_label_maps.md'
SCALE = REPOSITORY / 'docs/scale.md'
SIZE = (24, 32)  # height, width

# Heading -> the first image, its seeds, and the highest label that the data have.
CONFIGS = {
    'Three published pseudo-mask sets for VOC': (
        'data/VOCdevkit/VOC2012/JPEGImages/2007_000032.jpg',
        [f'data/pseudo/{name}/2007_000032.png' for name in ('irn', 'seam', 'clip_es')],
        20,
    ),
    'Several annotators of medical images': (
        'data/CHASE_DB1/images/training/Image_01L.png',
        [f'data/CHASE_DB1/annotations/training/Image_01L_{end}HO.png' for end in ('1st', '2nd')],
        1,
    ),
    'Several annotators of remote-sensing images': (
        'data/tiles/train/images/tile_17.tif',
        [f'data/tiles/train/{name}/tile_17.png' for name in ('anna', 'boris', 'chen')],
        3,
    ),
    'ADE20K and `reduce_zero_label`': (
        'data/ade/ADEChallengeData2016/images/training/ADE_train_00000001.jpg',
        [
            f'data/ade/pseudo/{name}/ADE_train_00000001.png'
            for name in ('mask2former', 'segformer', 'sam')
        ],
        150,
    ),
    'Cityscapes: subfolders and suffixes': (
        'data/cityscapes/leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png',
        [
            f'data/cityscapes/pseudo/{name}/aachen/aachen_000000_000019_leftImg8bit.png'
            for name in ('teacher_a', 'teacher_b')
        ],
        18,
    ),
    'Labelled images beside images with seeds': (
        'data/VOCdevkit/VOC2012/JPEGImages/2007_000032.jpg',
        ['data/VOCdevkit/VOC2012/SegmentationClass/2007_000032.png'],
        20,
    ),
    'COCO': (
        'data/coco_stuff164k/images/train2017/000000000009.jpg',
        [f'data/coco_stuff164k/pseudo/teacher_{name}/000000000009.png' for name in ('a', 'b', 'c')],
        170,
    ),
}


def snippets(path: Path) -> list[tuple[str, str]]:
    """The (heading, Python) of a page, in order."""
    found, heading = [], ''
    for line in re.split(r'^(?=#)', path.read_text(), flags=re.MULTILINE):
        heading = line.split('\n', 1)[0].lstrip('# ')
        found += [(heading, code) for code in re.findall(r'```python\n(.*?)```', line, re.DOTALL)]
    return found


def configs() -> dict[str, str]:
    """Those on stock configs of mmseg."""
    pages = [*snippets(GUIDE), *snippets(SCALE)]
    return {heading: code for heading, code in pages if "_base_ = 'mmseg::" in code}


def write_image(path: str | Path) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    Image.fromarray(image).save(path)


def write_labels(path: str | Path, highest: int) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(str(path)))
    labels = rng.integers(0, highest + 1, SIZE).astype(np.uint8)
    labels[rng.random(SIZE) < 0.2] = highest  # in every crop
    Image.fromarray(labels).save(path)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    init_default_scope('mmseg')


def test_every_config_of_the_guide_is_tested():
    assert set(configs()) == set(CONFIGS)
    # Three below, and the first run's two, which tests/test_walkthrough.py runs.
    assert len(snippets(GUIDE) + snippets(SCALE)) == len(CONFIGS) + 5


@pytest.mark.parametrize('heading', CONFIGS)
def test_configs_of_the_guide_train_on_the_files_that_it_names(heading, tmp_path):
    image, seeds, highest = CONFIGS[heading]
    write_image(image)
    for seed in seeds:
        write_labels(seed, highest)
    # The lists of VOC: the second image has the three sets of pseudo-masks.
    if 'VOC2012' in image:
        write_image('data/VOCdevkit/VOC2012/JPEGImages/2008_000002.jpg')
        for name in ('irn', 'seam', 'clip_es'):
            write_labels(f'data/pseudo/{name}/2008_000002.png', highest)
        lists = Path('data/VOCdevkit/VOC2012/ImageSets/Segmentation')
        lists.mkdir(parents=True)
        (lists / 'train.txt').write_text('2007_000032\n')
        (lists / 'aug.txt').write_text('2008_000002\n')
    # Boris has not done this tile, but another.
    if 'tiles' in image:
        write_image('data/tiles/train/images/tile_18.tif')
        Path(seeds[1]).rename('data/tiles/train/boris/tile_18.png')

    path = tmp_path / 'guide.py'
    path.write_text(configs()[heading])
    cfg = Config.fromfile(path)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    info = dataset.get_data_info(0)
    assert info['img_path'].replace('//', '/') == image
    expected = [None if 'boris' in seed else seed for seed in seeds]
    assert info['seed_paths'] == expected

    sample = dataset[0]['data_samples']
    assert sample.gt_seeds.data.shape[0] == len(seeds)
    labels = set(sample.gt_seeds.data.unique().tolist()) - {255}
    num_classes = cfg.model.decode_head.num_classes
    assert labels <= set(range(num_classes)) and max(labels) == num_classes - 1
    if 'VOC2012' in image:
        assert dataset[len(dataset) - 1]['data_samples'].gt_seeds.data.shape[0] == 3

    model = MODELS.build(cfg.model)
    assert type(model).__name__ == 'MultiSeedEncoderDecoder'
    assert len(dataset.metainfo['classes']) == model.decode_head.num_classes
    for hook in cfg.get('custom_hooks', []):
        assert hasattr(mmws.engine, hook['type'].rsplit('.', 1)[1])


def test_the_model_page_has_a_row_for_every_config_for_real_images():
    page = (REPOSITORY / 'docs/model_zoo.md').read_text()
    for folder in ('msws', 'cam', 'saliency', 'photos'):
        section = page.partition(f'`configs/{folder}/`')[2].partition('\n## ')[0]
        named = set(re.findall(r'`([\w.-]+\.py)`', section))
        assert named == {path.name for path in (REPOSITORY / 'configs' / folder).glob('*.py')}


def test_checkpoints_every_500_iterations(tmp_path):
    (code,) = (code for _, code in snippets(SCALE) if "_base_ = './" in code)
    path = tmp_path / 'often.py'
    path.write_text(code.replace("'./", f"'{REPOSITORY}/configs/msws/"))
    cfg = Config.fromfile(path)
    hook = cfg.default_hooks.checkpoint
    assert hook.type == 'CheckpointHook' and hook.interval == 500 and hook.by_epoch is False
    assert cfg.train_cfg.type == 'IterBasedTrainLoop'
    assert cfg.train_dataloader.sampler.type == 'InfiniteSampler'


def test_commands_for_several_gpus_keep_the_batch():
    rows = re.findall(r'^\| (\d) \| `(.*)` \|$', SCALE.read_text(), re.MULTILINE)
    assert [gpus for gpus, _ in rows] == ['1', '4', '8']
    for gpus, command in rows:
        script, config, *rest = command.removeprefix('python ').split()
        assert (REPOSITORY / script).is_file()
        cfg = Config.fromfile(REPOSITORY / config)
        if rest:
            assert rest[:2] == [gpus, '--cfg-options']
            key, value = rest[2].split('=')
            cfg.merge_from_dict({key: int(value)})
        assert int(gpus) * cfg.train_dataloader.batch_size == 16
        assert cfg.auto_scale_lr.base_batch_size == 16


def test_a_dataset_that_lies_elsewhere():
    (code,) = (code for _, code in snippets(GUIDE) if 'storage =' in code)
    write_image('voc/JPEGImages/a.jpg')
    Path('voc/train.txt').write_text('a')
    for name in ('irn', 'seam'):
        write_labels(f'voc/pseudo/{name}/a.png', 2)
    names = {}
    exec(code.replace('http://storage.example.org/', ''), names)
    sample = DATASETS.build(names['train_dataset'])[0]['data_samples']
    assert sample.seed_names == ['irn', 'seam'] and sample.gt_seeds.data.shape == (2, *SIZE)


def test_class_maps_become_a_seed():
    Path('cams').mkdir()
    first = np.array([[0.9, 0.2, 0.3], [0.0, 0.24, 0.26]], np.float32)
    second = np.array([[0.5, 0.1, 0.4], [0.0, 0.2, 0.2]], np.float32)
    np.save('cams/a.npy', {4: first, 14: second}, allow_pickle=True)
    images = Path('data/VOCdevkit/VOC2012/JPEGImages')
    images.mkdir(parents=True)
    Image.new('RGB', (3, 2)).save(images / 'a.jpg')
    (script,) = (code for _, code in snippets(GUIDE) if "glob('*.npy')" in code)
    exec(compile(script, str(GUIDE), 'exec'), {})
    found = np.array(Image.open('data/pseudo/from_cams/a.png'))
    np.testing.assert_array_equal(found, [[5, 0, 15], [0, 0, 5]])

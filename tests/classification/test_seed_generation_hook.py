"""The hook makes the seeds of what the checkpoint holds, in every process of a training.

Run by torchrun, this file is one of two processes of a training.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmws import run_config
from mmws.classification.seed_generation import build_generation

CLASSES = ['red', 'green']


def config(root):
    """A classifier whose batch normalisation learns, on images whose classes differ in colour."""
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
    return Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                type='ImageClassifier',
                backbone=dict(
                    type='ResNet38', base_channels=1, norm_frozen=False, stem_frozen=False
                ),
                head=dict(type='LinearCAMHead', in_channels=64, num_classes=2),
            ),
            data_preprocessor=dict(
                num_classes=2,
                mean=[128.0] * 3,
                std=[64.0] * 3,
                to_rgb=True,
                to_onehot=True,
            ),
            train_dataloader=dict(
                batch_size=2,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(
                    type='ListImageLevelDataset',
                    ann_file='labels.txt',
                    data_root=str(root),
                    data_prefix='images',
                    classes=CLASSES,
                    pipeline=pipeline,
                ),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=1),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05)),
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
            custom_hooks=[
                dict(type='EMAHook', momentum=0.5),
                dict(type='mmengine.SeedGenerationHook', out=str(root / 'seeds'), workers=0),
            ],
            seeds=dict(prefix='a', types=['threshold'], scales=[1.0, 0.5]),
            launcher='pytorch',
            work_dir=str(root / 'run'),
            randomness=dict(seed=0),
        )
    )


def _one_of_two_processes(root):
    def train(runner):
        runner.train()
        torch.save(runner.model.module.backbone.bn7.running_mean, root / f'{runner.rank}.pth')

    torch.set_num_threads(1)
    run_config.run(config(root), train)


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ('images', 'saliency'):
        (tmp_path / folder).mkdir()
    lines = []
    for number in range(8):
        pixels = rng.integers(0, 60 + 20 * number, (32, 32, 3))
        pixels[8:24, 8:24, number % 2] = 250
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f'images/{number}.jpg')
        # The map of image 5 is of another size; that is the second process's image.
        saliency = np.zeros((32, 32 if number != 5 else 31), np.uint8)
        saliency[8:24, 8:24] = 200
        Image.fromarray(saliency).save(tmp_path / f'saliency/{number}.png')
        lines.append(f'{number} {CLASSES[number % 2]}')
    (tmp_path / 'labels.txt').write_text('\n'.join(lines) + '\n')
    return tmp_path


def tool(root, out):
    return build_generation(config(root), str(root / 'run/epoch_1.pth'), str(root / out), workers=0)


def check_seeds(root):
    alone = tool(root, 'alone')
    alone.prepare()
    alone.run()
    for name, folder in alone.folders.items():
        assert len(folder.finished()) == 7
        for image_id in folder.finished():
            made = root / 'seeds' / name / f'{image_id}.png'
            assert made.read_bytes() == folder.file(image_id).read_bytes()


@pytest.mark.slow
def test_two_processes_make_the_seeds_of_the_checkpoint(root, python):
    output = python(__file__, root, cwd=root, processes=2)
    statistics = [torch.load(root / f'{rank}.pth') for rank in range(2)]
    assert not torch.equal(*statistics)

    assert output.count('7 images made') == 1
    assert output.count('1 images failed:\n  5: saliency map') == 1
    assert 'Mend them' in output and 'generate_seeds.py' in output
    assert 'the same command' not in output

    check_seeds(root)
    # Once the bad map is mended, the tool goes on in the hook's folders.
    Image.new('L', (32, 32), 200).save(root / 'saliency/5.png')
    rest = tool(root, 'seeds')
    rest.prepare()
    report = rest.run()
    assert (report.made, report.kept, report.missing) == (1, 7, 0)
    manifest = json.loads((root / 'seeds/a_threshold_x1.0/seed.json').read_text())
    assert manifest['complete'] and manifest['num_images'] == 8


def test_the_seeds_are_those_of_the_last_checkpoint(root):
    cfg = config(root)
    cfg.launcher = 'none'
    run_config.run(cfg, lambda runner: runner.train())
    check_seeds(root)


def test_a_training_that_keeps_no_checkpoint_is_refused_before_it(root):
    cfg = config(root)
    cfg.launcher = 'none'
    cfg.default_hooks.checkpoint.save_last = False
    with pytest.raises(ValueError, match='this training keeps none: put a CheckpointHook'):
        run_config.run(cfg, lambda runner: runner.train())
    assert not (root / 'seeds').exists()


if __name__ == '__main__':
    _one_of_two_processes(Path(sys.argv[1]))

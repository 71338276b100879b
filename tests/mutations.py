"""Breaks the constants of the paper's recipe one by one and looks whether a test notices.

    python tests/mutations.py [--only TEXT]

Works on a copy of the checkout. Not part of `make test`: it runs pytest once or twice a constant,
in forks of this process, which has imported torch and mmengine once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import mmengine.runner  # noqa: F401
import pytest
import torchvision  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
# The quick tests first; the others run where those notice nothing.
TESTS = [
    ['tests/test_recipe.py'],
    [
        'tests/seeds',
        'tests/models/heads',
        'tests/classification/heads',
        'tests/backbones/test_vgg16.py',
        'tests/backbones/test_resnet38.py',
        'tests/test_configs_msws.py',
        'tests/test_configs_cam.py',
        'tests/models/test_multi_scale_fusion_tta.py',
        'tests/evaluation/test_crf_iou_metric.py',
    ],
]
BASE = 'configs/_base_'
# By file: what stands there once, and what is put in its place.
MUTATIONS = {
    f'{BASE}/cam_seeds.py': [
        ('foreground=0.1', 'foreground=0.3'),
        ('background=0.06', 'background=0.6'),
        ('scales=(1.0, 0.75, 0.5)', 'scales=(1.0, 0.75, 0.6)'),
        ('flip=False', 'flip=True'),
        ('iterations=10', 'iterations=5'),
        ('bilateral_sxy=80', 'bilateral_sxy=50'),
        ('bilateral_srgb=13', 'bilateral_srgb=3'),
        ('bilateral_compat=10', 'bilateral_compat=4'),
        ('gaussian_sxy=3', 'gaussian_sxy=1'),
        ('gaussian_compat=3', 'gaussian_compat=1'),
    ],
    f'{BASE}/models/cam_vgg16.py': [
        ('to_rgb=True', 'to_rgb=False'),
        ('123.675, 116.28, 103.53', '103.53, 116.28, 123.675'),
    ],
    f'{BASE}/models/cam_res38.py': [
        ('to_rgb=True', 'to_rgb=False'),
        ('dropout=0.5', 'dropout=0.1'),
        ('58.395, 57.12, 57.375', '1.0, 1.0, 1.0'),
    ],
    'configs/cam/vgg16-caffe_cam_voc12aug.py': [
        ('to_rgb=False', 'to_rgb=True'),
    ],
    f'{BASE}/datasets/cam_voc12aug.py': [
        ('ratio_range=(0.5, 1.5)', 'ratio_range=(0.5, 0.9)'),
        ("'RandomFlip', prob=0.5", "'RandomFlip', prob=0.0"),
        ('crop_size = 321', 'crop_size = 224'),
        ('batch_size=16', 'batch_size=32'),
    ],
    f'{BASE}/schedules/cam_20e.py': [
        ('max_epochs=20', 'max_epochs=15'),
        ('lr=1e-3', 'lr=1e-2'),
        ('lr_mult=10.0', 'lr_mult=1.0'),
        ('end=21', 'end=20'),
    ],
    f'{BASE}/models/deeplabv2_vgg16_largefov.py': [
        ('dilation=12', 'dilation=6'),
        ('dropout_ratio=0.5', 'dropout_ratio=0.1'),
        ('123.675, 116.28, 103.53', '103.53, 116.28, 123.675'),
        ("type='WSTLoss'", "type='WSTLoss', scale=2.0"),
        ("loss_at='feature'", "loss_at='image'"),
    ],
    f'{BASE}/models/deeplabv2_r101_largefov.py': [
        ('dilation=12', 'dilation=3'),
        ('bgr_to_rgb=True', 'bgr_to_rgb=False'),
        ('dilations=(1, 1, 2, 4)', 'dilations=(1, 1, 1, 2)'),
    ],
    'configs/msws/deeplabv2-aspp_vgg16_12seeds.py': [
        ('(6, 12, 18, 24)', '(6, 12, 18, 36)'),
    ],
    'configs/msws/deeplabv2_vgg16-caffe_12seeds.py': [
        ('bgr_to_rgb=False', 'bgr_to_rgb=True'),
    ],
    'configs/msws/deeplabv2_r101_12seeds.py': [
        ('lr=5e-4', 'lr=1e-3'),
    ],
    f'{BASE}/datasets/voc12aug.py': [
        ('ratio_range=(0.5, 1.5)', 'ratio_range=(0.5, 2.0)'),
        ('scale_factor=0.75', 'scale_factor=0.5'),
        ("dict(type='RandomFlip', prob=0.5)", "dict(type='RandomFlip', prob=0.0)"),
    ],
    f'{BASE}/schedules/msws_20e.py': [
        ('max_epochs=20', 'max_epochs=10'),
        ('momentum=0.9', 'momentum=0.0'),
        ('weight_decay=5e-4', 'weight_decay=1e-4'),
        ("'conv_seg': dict(lr_mult=10.0)", "'conv_seg': dict(lr_mult=1.0)"),
    ],
    f'{BASE}/msws_runtime.py': [
        ("type='MultiScaleFusionTTA'", "type='MultiScaleFusionTTA', append_max=False"),
    ],
    'mmws/models/rules/wst.py': [
        ('scale: float = 1.0', 'scale: float = 2.0'),
    ],
    'mmws/models/multi_scale_fusion_tta.py': [
        ('append_max: bool = True', 'append_max: bool = False'),
    ],
    'mmws/seeds/seed.py': [
        (
            'np.subtract(1, saliency_map, out=score[0])',
            'np.multiply(0.7, 1 - saliency_map, out=score[0])',
        ),
    ],
    'mmws/evaluation/crf_iou_metric.py': [
        ('iterations: int = 5', 'iterations: int = 10'),
    ],
    'mmws/seeds/crf.py': [
        ('bilateral_sxy: float = 80', 'bilateral_sxy: float = 40'),
    ],
    'mmws/classification/heads/linear_cam_head.py': [
        ('std=0.01', 'std=0.1'),
    ],
    'mmws/backbones/vgg16.py': [
        ('dilations = (1, 1, 1, 1, 2)', 'dilations = (1, 1, 1, 1, 1)'),
        ('(2, 2, 2, 1, 1)', '(2, 2, 2, 2, 1)'),
    ],
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', default='', help='mutations whose file or text contains this')
    only = parser.parse_args(argv).only
    mutations = [(file, *change) for file, changes in MUTATIONS.items() for change in changes]
    chosen = [mutation for mutation in mutations if any(only in part for part in mutation)]
    unnoticed = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, 'mmws')
        leave_out = shutil.ignore_patterns('.git', '.venv', 'work_dirs', 'data', '__pycache__')
        shutil.copytree(ROOT, copy, ignore=leave_out)
        if not passes(copy, TESTS[0]):
            raise RuntimeError('Tests fail without any mutation: run them and mend that first.')
        for file, old, new in chosen:
            path = copy / file
            original = path.read_text()
            if original.count(old) != 1:
                raise ValueError(f'{file} holds {old!r} {original.count(old)} times, not once.')
            path.write_text(original.replace(old, new))
            noticed = any(not passes(copy, tests) for tests in TESTS)
            path.write_text(original)
            print(f'{"noticed  " if noticed else "UNNOTICED"} {file}: {old} -> {new}', flush=True)
            if not noticed:
                unnoticed.append(old)
    print(f'{len(chosen) - len(unnoticed)} of {len(chosen)} mutations were noticed.')
    return bool(unnoticed)


def passes(copy: Path, tests: list[str]) -> bool:
    """Whether the tests of the copy pass; they import its package, not the installed one."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    sys.dont_write_bytecode = True
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    os._exit(pytest.main(['-x', '-q', '-p', 'no:cacheprovider', *tests]))


if __name__ == '__main__':
    sys.exit(main())

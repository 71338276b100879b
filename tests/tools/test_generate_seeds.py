"""From a trained classifier to seed folders, killed and continued on the way."""

import json
import signal
import time
from pathlib import Path

import pytest

CONFIG = Path(__file__).resolve().parents[2] / 'configs/cam/vgg16_cam_voc12aug.py'
OPTIONS = [
    'model.backbone.base_channels=2',
    'model.backbone.init_cfg=None',
    'model.head.in_channels=16',
    'model.head.channels=8',
    'model.head.num_classes=5',
    'model.head.init_cfg=None',
    'model.data_preprocessor.num_classes=5',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'train_cfg.max_epochs=1',
    'train_cfg.val_interval=9',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
]
CLASSES = ['stripe', 'dot', 'check', 'ring', 'wave']
SEEDS = [f'vgg16_{kind}_x{scale}' for kind in ('threshold', 'crf') for scale in (1.0, 0.75, 0.5)]


@pytest.fixture(scope='module')
def trained(tool, tmp_path_factory):
    """Shapes, a tiny classifier trained on them with the hook, and its seeds."""
    root = tmp_path_factory.mktemp('seeds')
    sizes = ['--train', 8, '--val', 2, '--size', 48, '--workers', '0']
    made = tool('make_shapes.py', '--out', root / 'data', *sizes, cwd=root)
    assert made.returncode == 0, made.stderr
    config = root / 'cam.py'
    config.write_text(
        f"_base_ = '{CONFIG}'\n"
        f'metainfo = dict(classes={CLASSES})\n'
        f"train_dataloader = dict(dataset=dict(data_root='{root}/data', metainfo=metainfo))\n"
        f"val_dataloader = dict(dataset=dict(data_root='{root}/data', metainfo=metainfo))\n"
        "custom_hooks = [dict(type='SeedGenerationHook', out='hooked', workers=0)]\n"
    )
    run = tool(
        *('train.py', config, '--work-dir', root / 'wd', '--cfg-options', *OPTIONS), cwd=root
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return root, config, root / 'wd' / 'epoch_1.pth'


@pytest.fixture
def run(tool, trained):
    root, config, checkpoint = trained

    def start(out, *more, **options):
        paths = (config, checkpoint, '--out', root / out)
        end = ('--cfg-options', *OPTIONS)
        return tool('generate_seeds.py', *paths, *more, *end, cwd=root, **options)

    return start


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob('*.png'))}


@pytest.mark.slow
def test_the_tool_makes_what_the_hook_made_with_any_number_of_workers(run, trained):
    root = trained[0]
    dry = run('dry', '--dry-run')
    assert 'vgg16_crf_x0.5: 8 to make, 0 are there' in dry.stdout and not (root / 'dry').exists()
    expected = contents(root / 'hooked')
    assert len(expected) == 6 * 8
    assert {name.split('/')[0] for name in expected} == set(SEEDS)
    done = run('tool', '--workers', '2', '--cams', root / 'cams')
    assert done.returncode == 0, done.stderr
    assert contents(root / 'tool') == expected
    manifest = json.loads((root / 'tool' / SEEDS[0] / 'seed.json').read_text())
    assert manifest['recipe']['classes'] == CLASSES and manifest['num_images'] == 8
    # Again from the stored CAMs.
    again = run('again', '--workers', '0', '--cams', root / 'cams')
    assert again.returncode == 0, again.stderr
    assert contents(root / 'again') == expected


@pytest.mark.slow
def test_killed_at_any_moment_it_continues_to_the_same_files(run, trained):
    root = trained[0]
    expected = contents(root / 'hooked')
    process = run('killed', '--workers', '1', wait=False)
    deadline = time.monotonic() + 900
    while len(list((root / 'killed').rglob('*.png'))) < 9 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1)
    notes = [json.loads(path.read_text()) for path in (root / 'killed').rglob('seed.json')]
    assert not any(note['complete'] for note in notes) or process.returncode == 0
    done = run('killed', '--workers', '0')
    assert done.returncode == 0, done.stderr
    assert contents(root / 'killed') == expected
    assert not list((root / 'killed').rglob('*.part'))

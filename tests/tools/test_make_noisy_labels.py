import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmws.files.label_map import read_label_map


@pytest.fixture
def run(tool, tmp_path):
    return lambda *args: tool('make_noisy_labels.py', *args, '--workers', '0', cwd=tmp_path)


@pytest.fixture
def masks(tmp_path):
    folder = tmp_path / 'masks'
    folder.mkdir()
    for i in range(3):
        labels = np.zeros((90, 80), np.uint8)
        labels[10:80, 10 + i : 70] = i + 1
        Image.fromarray(labels).save(folder / f'im{i}.png')
    return folder


def contents(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob('*.png'))}


def test_folders_are_complete_and_a_second_run_finishes_what_is_missing(run, masks, tmp_path):
    out = tmp_path / 'out'
    done = run(masks, '--ratio', 0.3, '--draws', 2, '--out', out)
    assert done.returncode == 0, done.stderr
    assert '2 label maps an image' in done.stdout and '3 images made' in done.stdout
    first = contents(out)
    assert len(first) == 6 and first['noise0.3_00/im0.png'] != first['noise0.3_01/im0.png']
    manifest = json.loads((out / 'noise0.3_01' / 'seed.json').read_text())
    assert manifest['recipe']['draw'] == 1 and manifest['recipe']['ratio'] == 0.3
    labels = read_label_map(out / 'noise0.3_00' / 'im2.png')
    assert np.unique(labels).tolist() == [0, 3]

    (out / 'noise0.3_01' / 'im1.png').unlink()
    again = run(masks, '--ratio', 0.3, '--draws', 2, '--out', out)
    assert '1 images made' in again.stdout and '2 were there already' in again.stdout
    assert contents(out) == first


def test_draws_with_noise_in_common(run, masks, tmp_path):
    options = ('--ratio', 0.5, '--draws', 2, '--both-ways', '--sizes', 4, 16)
    for shared in (0, 0.9):
        done = run(masks, *options, '--shared', shared, '--name', f's{shared}', '--out', tmp_path)
        assert done.returncode == 0, done.stderr
    wrong = {}
    for name in ('s0', 's0.9'):
        maps = [read_label_map(tmp_path / f'{name}_0{d}' / 'im1.png') for d in (0, 1)]
        truth = read_label_map(masks / 'im1.png')
        assert [(m != truth)[truth > 0].mean() for m in maps] == pytest.approx([0.5, 0.5], abs=0.03)
        wrong[name] = ((maps[0] != truth) & (maps[1] != truth)).sum() / (maps[0] != truth).sum()
    assert wrong['s0'] < 0.7 and wrong['s0.9'] > 0.8
    assert 'shared' not in json.loads((tmp_path / 's0_00' / 'seed.json').read_text())['recipe']
    assert '0 to 1; got 2' in run(masks, '--shared', 2, '--out', tmp_path).stderr


def test_bad_input_is_named(run, masks, tmp_path):
    assert 'there is no folder' in run(tmp_path / 'nope', '--out', tmp_path / 'o').stderr
    ids = tmp_path / 'ids.txt'
    ids.write_text('im0\nim9\n')
    wrong = run(masks, '--out', tmp_path / 'o', '--list', ids)
    assert wrong.returncode and '1 of 2 images of' in wrong.stderr and 'first: im9' in wrong.stderr
    # The others are drawn, and the bad one is named.
    Image.new('RGB', (9, 9)).save(masks / 'im0.png')
    done = run(masks, '--out', tmp_path / 'p')
    assert done.returncode == 1 and '2 images made' in done.stdout
    assert 'im0.png holds colours (mode RGB)' in done.stdout

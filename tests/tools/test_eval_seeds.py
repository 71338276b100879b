"""Scores two folders of seeds from the command line."""

import json

import numpy as np

from mmws.files.label_map import encode_label_map


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_label_map(np.array(rows, np.uint8)))


def test_scores_agreement_and_plot(tool, tmp_path):
    write(tmp_path / 'gt/x.png', [[0, 1], [1, 255]])
    write(tmp_path / 'seeds/good/x.png', [[0, 1], [1, 0]])
    write(tmp_path / 'seeds/half/x.png', [[0, 0], [255, 0]])
    options = ['--gt', 'gt', '--num-classes', 2, '--workers', 0]
    outputs = ['--json', 'out/scores.json', '--plot', 'out/scores.png']
    done = tool('eval_seeds.py', 'seeds', *options, *outputs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / 'out/scores.json').read_text())
    assert scores['images'] == 1
    assert scores['scores']['good']['miou'] == 1
    assert scores['scores']['half']['iou'] == [0.5, 0]
    assert abs(scores['scores']['half']['coverage'] - 2 / 3) < 1e-9
    assert scores['agreement']['share'][0][1] == 2 / 3
    assert 'half' in done.stdout and (tmp_path / 'out/scores.png').stat().st_size > 1000
    wrong = tool('eval_seeds.py', 'gt', *options, cwd=tmp_path)
    assert wrong.returncode and 'holds no folder of seeds' in wrong.stderr


def test_ids_in_folders_equal_seeds_and_what_is_not_defined(tool, tmp_path):
    write(tmp_path / 'gt/train/x.png', [[0, 1], [1, 255]])
    for name in ('a', 'b'):
        write(tmp_path / f'seeds/{name}/train/x.png', [[0, 1], [1, 0]])
    write(tmp_path / 'seeds/void/train/x.png', [[255, 255], [255, 255]])
    options = ['--gt', 'gt', '--num-classes', 2, '--workers', 0, '--json', 'scores.json']
    done = tool('eval_seeds.py', 'seeds', *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'The least: a and b, 100.0%.' in done.stdout

    def refuse(constant):
        raise ValueError(constant)

    scores = json.loads((tmp_path / 'scores.json').read_text(), parse_constant=refuse)
    assert scores['images'] == 1
    assert scores['agreement']['share'] == [[1, 1, None], [1, 1, None], [None, None, None]]
    assert scores['scores']['void']['miou_labelled'] is None

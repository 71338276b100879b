"""Scores folders of seeds from the command line."""

import json


def test_scores_agreement_and_plot(tool, save, tmp_path):
    for name, rows in {
        'gt': [[0, 1], [1, 255]],
        'seeds/good': [[0, 1], [1, 0]],
        'seeds/half': [[0, 0], [255, 0]],
        'seeds/same': [[0, 1], [1, 0]],
        'seeds/void': [[255, 255], [255, 255]],
    }.items():
        save(rows, f'{name}/train/x.png')
    options = ['--gt', 'gt', '--num-classes', 2, '--workers', 0]
    outputs = ['--json', 'out/scores.json', '--plot', 'out/scores.png']
    done = tool('eval_seeds.py', 'seeds', *options, *outputs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'The least: good and half, 66.7%.' in done.stdout
    assert (tmp_path / 'out/scores.png').stat().st_size > 1000
    text = (tmp_path / 'out/scores.json').read_text()
    assert 'NaN' not in text
    found = json.loads(text)
    assert found['images'] == 1 and found['scores']['good']['miou'] == 1
    assert found['scores']['half']['iou'] == [0.5, 0]
    assert abs(found['scores']['half']['coverage'] - 2 / 3) < 1e-9
    assert found['scores']['void']['miou_labelled'] is None
    assert found['agreement']['share'][0] == [1, 2 / 3, 1, None]
    for arguments, message in (
        (['gt/train', *options], 'holds no folder of seeds'),
        (['seeds', *options[:3], 1], 'x.png holds 1, with labels outside 0..0'),
    ):
        wrong = tool('eval_seeds.py', *arguments, '--workers', 0, cwd=tmp_path)
        assert wrong.returncode and message in wrong.stderr

"""docs/walkthrough.md and docs/your_label_maps.md are followed to the letter, in empty folders."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / 'docs/walkthrough.md'
GUIDE = REPOSITORY / 'docs/your_label_maps.md'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which('bash') is None, reason='the commands are for bash'),
]


def follow(text, folder):
    """Do what a page says in a folder, and give what each command printed."""
    for name in ('tools', 'configs'):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / 'bin').mkdir()
    for name, program in (('python', ''), ('mmws', f'"{REPOSITORY}/mmws_cli.py"')):
        command = folder / 'bin' / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {program} "$@"\n')
        command.chmod(0o755)
    environment = dict(
        os.environ,
        PATH=f'{folder / "bin"}{os.pathsep}{os.environ["PATH"]}',
        PYTHONPATH=str(REPOSITORY),
        OMP_NUM_THREADS='1',
    )
    steps = re.findall(
        r'(?:Save this as `([^`]+)`:\n\n)?^```(bash|python)\n(.*?)```', text, re.M | re.S
    )
    printed = {}
    for name, language, content in steps:
        if language == 'python':
            assert name, 'a config of the page has no file name'
            (folder / name).write_text(content)
            continue
        for command in content.splitlines():
            done = subprocess.run(
                ['bash', '-c', command],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=900,
            )
            assert done.returncode == 0, f'{command}\n{done.stdout[-2000:]}{done.stderr[-3000:]}'
            printed[command.split()[1]] = done.stdout + done.stderr
    return printed


@pytest.fixture(scope='module')
def walk(tmp_path_factory):
    """The folder after the last command, and what each command printed."""
    folder = tmp_path_factory.mktemp('clone')
    return folder, follow(PAGE.read_text(), folder)


def miou(log: str) -> float:
    return float(re.findall(r'mIoU: ([\d.]+)', log)[-1])


def test_the_check_finds_what_the_page_says(walk):
    _, printed = walk
    report = printed['tools/check_seeds.py']
    assert '600 images, 4 seeds' in report and 'Nothing is wrong.' in report
    (row,) = re.findall(r'^4 +([\d. ]+)-', report, re.M)
    assert [round(float(value)) for value in row.split()] == [81, 81, 81]
    (background,) = re.findall(r'^0 +background +([\d. ]+)$', report, re.M)
    assert [round(float(value)) for value in background.split()] == [75, 75, 75, 91]


def test_the_model_finds_more_than_background(walk):
    folder, printed = walk
    assert 'Epoch(train) [4][75/75]' in printed['tools/train.py']
    score = miou(printed['tools/test.py'])
    assert score == miou(printed['tools/train.py'])
    assert score > 15  # 11 for nothing but background
    predictions = sorted((folder / 'predictions').glob('*.png'))
    assert len(predictions) == 60
    found = np.unique([np.array(Image.open(path)) for path in predictions])
    assert found[0] == 0 and len(found) > 2


def test_the_trust_table(walk):
    folder, printed = walk
    table = re.findall(r'^(noise0\.\d_0\d)((?: +[\d.]+){5})', printed['tools/train.py'], re.M)
    per_class = {name: float(numbers.split()[-1]) for name, numbers in table}
    weight = {name: float(numbers.split()[0]) for name, numbers in table}
    assert min(weight, key=weight.get) == 'noise0.7_00'
    assert sorted(per_class) == ['noise0.2_00', 'noise0.2_01', 'noise0.2_02', 'noise0.7_00']
    assert min(per_class, key=per_class.get) == 'noise0.7_00'
    trust = json.loads((folder / 'work_dirs/my_labels/seed_trust.json').read_text())
    assert sorted(trust['seeds']) == sorted(per_class)


def test_the_pictures(walk):
    folder, _ = walk
    with Image.open(folder / 'predictions.png') as image:
        assert min(image.size) > 300
    assert len(list((folder / 'wst_sheets').glob('*.png'))) == 3


def test_from_published_forms_to_a_model(tmp_path):
    section = GUIDE.read_text().partition('## From three published forms')[2].partition('\n## ')[0]
    printed = follow(section, tmp_path)
    convert, check = printed['convert'], printed['check']
    for found in ('keys, high_res: ', 'scores of 6 labels at 64x64', "VOC's colours"):
        assert found in convert
    assert '300 images, 3 seeds' in check and 'Nothing is wrong.' in check
    assert len(list((tmp_path / 'predictions').glob('*.png'))) == 50
    assert miou(printed['train']) == miou(printed['test'])
    report = (tmp_path / 'work_dirs/first_run/report.html').read_text()
    assert 'IoU of each class' in report and 'Trust in each seed' in report

import csv
import json
import re
import time

import cv2
import pytest

from mmws.experiments.cells import TABLES

TINY = ['--data', 'shapes', '--train', 16, '--val', 8, '--epochs', 1, '--classifier-epochs', 1]
CELLS = ['--cells', 'gt', 'noise0.1_2labels', '--jobs', 1]


@pytest.mark.slow
def test_a_table_survives_a_kill_and_is_not_run_twice(tool, tmp_path):
    arguments = ('run_table.py', 'pilot', *TINY, *CELLS, '--repeats', 2, '--out', tmp_path / 'out')
    process = tool(*arguments, cwd=tmp_path, wait=False)
    first = tmp_path / 'out' / 'cells' / 'gt' / 'seed0' / 'result.json'
    for _ in range(1200):
        if first.is_file() or process.poll() is not None:
            break
        time.sleep(0.2)
    process.kill()
    process.wait()
    assert first.is_file()
    stamp = first.stat().st_mtime_ns

    done = tool(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert first.stat().st_mtime_ns == stamp
    rows = list(csv.DictReader((tmp_path / 'out' / 'pilot.csv').open()))
    assert [(row['config'], row['repeat']) for row in rows] == [
        (config, repeat) for config in ('gt', 'noise0.1_2labels') for repeat in '01'
    ]
    measured = json.loads(first.read_text())['mIoU']
    assert float(rows[0]['mIoU']) == measured
    assert '[71.0]' in (tmp_path / 'out' / 'pilot.md').read_text()
    assert (tmp_path / 'out' / 'pilot.png').stat().st_size > 10_000

    again = tool(*arguments, cwd=tmp_path)
    assert 'done in' not in again.stdout and '[72.1]' in again.stdout

    studied = ('run_table.py', 'safety', *TINY, '--cells', 'scratch_noise0.3_12labels', '--jobs', 1)
    done = tool(*studied, '--out', tmp_path / 'out', cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '(safety_right_weight.png)' in (tmp_path / 'out' / 'safety.md').read_text()
    picture = cv2.imread(str(tmp_path / 'out' / 'safety_right_weight.png'))
    assert picture.std() > 10


@pytest.mark.parametrize(
    ('arguments', 'complaint'),
    [
        ('table5 --data .', 'seed folders are not ready, the first: .*tools/generate_seeds.py'),
        ('table1 --cells nonsense', 'has no cell nonsense'),
        ('table7 --data shapes', 'is for voc12 data only'),
        ('table1 --gpus 2 --jobs 2', 'one training at a time'),
        ('table1 --gpus 2 --launcher none', '2 GPUs need a launcher'),
    ],
)
def test_what_cannot_be_run_is_said_first(tool, tmp_path, arguments, complaint):
    done = tool('run_table.py', *arguments.split(), '--out', tmp_path / 'out', cwd=tmp_path)
    assert done.returncode and re.search(f'(?s){complaint}', done.stderr), done.stderr
    assert not (tmp_path / 'out').exists()


def test_print_names_the_commands_of_each_cell(tool, tmp_path):
    done = tool('run_table.py', 'table6', '--print', '--data', tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[::3] == [f'# {name}' for name in TABLES['table6'].trainings]
    assert all('tools/train.py' in line and '/configs/msws/' in line for line in lines[1::3])
    assert all('tools/test.py' in line and '--tta --crf' in line for line in lines[2::3])
    spaces = tool('run_table.py', 'table6', '--print', '--data', tmp_path / 'a b', cwd=tmp_path)
    assert spaces.returncode and 'use paths without them' in spaces.stderr


def test_a_report_of_what_an_older_version_left_is_refused(tool, tmp_path):
    arguments = ('run_table.py', 'table1', '--report', '--out', tmp_path / 'out')
    done = tool(*arguments, cwd=tmp_path)
    assert done.returncode == 0 and '[72.1]' in done.stdout, done.stderr
    result = tmp_path / 'out' / 'cells' / 'gt' / 'seed0' / 'result.json'
    result.parent.mkdir(parents=True)
    result.write_text('{"mIoU": 50.0}')
    refused = tool(*arguments, cwd=tmp_path)
    assert refused.returncode and 'no settings.json' in refused.stderr

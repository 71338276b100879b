import subprocess

from mmws.experiments.machine import commit, describe, device_of


def test_the_commit_and_whether_files_were_changed(tmp_path):
    assert commit(tmp_path) is None

    def git(*arguments):
        who = ('-c', 'user.name=a', '-c', 'user.email=a@b')
        command = ('git', '-C', str(tmp_path), *who, *arguments)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git('init')
    (tmp_path / 'a').write_text('1')
    git('add', 'a')
    git('commit', '-m', 'a')
    git('tag', '-a', 'v1', '-m', 'v1')
    short = git('rev-parse', '--short', 'HEAD')
    assert commit(tmp_path) == short
    (tmp_path / 'a').write_text('2')
    assert commit(tmp_path) == f'{short}-dirty'


def test_the_device_is_that_of_the_training_not_of_this_process(tmp_path):
    assert device_of(tmp_path).endswith('CPU cores')
    for start, gpu in (('2026', 'Old'), ('2027', 'NVIDIA H100 80GB HBM3')):
        (tmp_path / start).mkdir()
        (tmp_path / start / f'{start}.log').write_text(f'x\n    GPU 0,1: {gpu}\ny\n')
    assert device_of(tmp_path) == 'NVIDIA H100 80GB HBM3'


def test_each_version_and_device_is_named_once():
    made = dict(mmws='0.1', commit='abc', torch='2.6', Python='3.11', device='2 CPU cores')
    results = [dict(mIoU=1, made_with=made), dict(mIoU=2, made_with={**made, 'commit': 'def'})]
    text = 'mmws 0.1, commit abc and def, torch 2.6, Python 3.11, 2 CPU cores.'
    assert describe(results) == f'Made with {text}'
    assert describe([]) == ''

import pytest


@pytest.mark.slow
def test_the_demo_runs_stops_nowhere_and_is_instant_the_second_time(tool, tmp_path):
    options = ['--out', tmp_path / 'demo', '--train', 16, '--val', 4, '--epochs', 1]
    options += ['--cells', 'noise0.3_12seeds', 'gt']
    first = tool('demo.py', *options, cwd=tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    table = first.stdout[first.stdout.index('mIoU on 4 held-out') :]
    assert 'twelve, WST' in table and 'the ground truth' in table
    assert (tmp_path / 'demo' / 'predictions.png').stat().st_size > 10_000

    second = tool('demo.py', *options, cwd=tmp_path)
    assert second.stdout[second.stdout.index('mIoU on') :] == table
    assert 'training:' not in second.stdout

    other = tool('demo.py', *options, '--seed', 3, cwd=tmp_path)
    assert other.returncode and 'holds a demo with other settings' in other.stderr

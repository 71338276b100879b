import re
import time

import pytest
import torch


@pytest.mark.slow
def test_killed_training_resumes(tool, tiny_config_file, tmp_path):
    work_dir = tmp_path / 'work'
    arguments = ('train.py', tiny_config_file, '--work-dir', work_dir)
    process = tool(
        *arguments, '--cfg-options', 'train_cfg.max_epochs=100000', cwd=tmp_path, wait=False
    )
    deadline = time.time() + 300
    while not (work_dir / 'last_checkpoint').exists() and time.time() < deadline:
        assert process.poll() is None, 'train.py stopped by itself'
        time.sleep(0.1)
    process.kill()
    process.wait()
    last = int(re.search(r'epoch_(\d+).pth', (work_dir / 'last_checkpoint').read_text())[1])
    options = ('--resume', '--cfg-options', f'train_cfg.max_epochs={last + 1}')
    done = tool(*arguments, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f'resumed epoch: {last}, iter: {2 * last}' in done.stdout + done.stderr
    before, after = (torch.load(work_dir / f'epoch_{n}.pth') for n in (last, last + 1))
    assert after['meta']['iter'] == before['meta']['iter'] + 2
    # The log's history goes on too: with the safe loader on, see mmws/compat.py.
    history = [c['message_hub']['log_scalars']['train/loss']._log_history for c in (before, after)]
    assert (history[1][: len(history[0])] == history[0]).all()


def test_limit_and_a_checkpoint_of_another_model(tool, tiny_config_file, tmp_path):
    torch.save(dict(state_dict={'backbone.conv1.weight': torch.zeros(1)}), tmp_path / 'other.pth')
    arguments = ('train.py', tiny_config_file, '--limit')
    done = tool(*arguments, 2, '--cfg-options', 'train_cfg.max_epochs=1', cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'Epoch(train) [1][1/1]' in done.stdout + done.stderr
    assert (tmp_path / 'work_dirs/tiny/epoch_1.pth').is_file()
    done = tool(*arguments, 2, '--cfg-options', f'load_from={tmp_path}/other.pth', cwd=tmp_path)
    assert done.returncode == 1
    assert 'other.pth is a checkpoint of another architecture than MultiSeedEnc' in done.stderr
    done = tool(*arguments, 0, cwd=tmp_path)
    assert done.returncode == 2 and 'whole number of at least 1; got 0' in done.stderr

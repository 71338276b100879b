import re
import time
from pathlib import Path

import pytest
import torch


@pytest.mark.slow
def test_killed_training_resumes(tool, tiny_config_file, tmp_path):
    work_dir = tmp_path / 'work'
    process = tool(
        'train.py',
        tiny_config_file,
        '--work-dir',
        work_dir,
        '--cfg-options',
        'train_cfg.max_epochs=100000',
        cwd=tmp_path,
        wait=False,
    )
    deadline = time.time() + 120
    while not (work_dir / 'last_checkpoint').exists() and time.time() < deadline:
        assert process.poll() is None, 'train.py stopped by itself'
        time.sleep(0.1)
    process.kill()
    process.wait()
    last = int(re.search(r'epoch_(\d+).pth', (work_dir / 'last_checkpoint').read_text())[1])
    before = torch.load(work_dir / f'epoch_{last}.pth')  # with the safe loader on

    done = tool(
        'train.py',
        tiny_config_file,
        '--work-dir',
        work_dir,
        '--resume',
        '--cfg-options',
        f'train_cfg.max_epochs={last + 1}',
        'optim_wrapper.optimizer.lr=0',
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    log = done.stdout + done.stderr
    assert f'resumed epoch: {last}, iter: {2 * last}' in log
    assert f'Epoch(train) [{last + 1}][2/2]' in log and f'Epoch(train) [{last}]' not in log
    after = torch.load(work_dir / f'epoch_{last + 1}.pth')
    # The optimizer goes on with its own state: the learning rate of the file, and the momentum.
    (group,) = before['optimizer']['param_groups']
    assert group['lr'] > 0
    assert after['optimizer']['param_groups'][0]['initial_lr'] == group['initial_lr'] == 0.02
    assert len(before['optimizer']['state']) == len(after['optimizer']['state']) > 0
    assert after['meta']['iter'] == before['meta']['iter'] + 2
    # So does the log's history.
    history = [c['message_hub']['log_scalars']['train/loss']._log_history for c in (before, after)]
    assert len(history[1]) == len(history[0]) + 2
    assert (history[1][: len(history[0])] == history[0]).all()


@pytest.mark.slow
def test_checkpoint_of_another_model_stops(tool, tiny_config_file, tmp_path):
    torch.save(dict(state_dict={'backbone.conv1.weight': torch.zeros(1)}), tmp_path / 'other.pth')
    done = tool(
        'train.py',
        tiny_config_file,
        '--limit',
        1,
        '--cfg-options',
        f'load_from={tmp_path}/other.pth',
        cwd=tmp_path,
    )
    assert done.returncode != 0
    assert 'other.pth holds no weight of MultiSeedEncoderDecoder' in done.stderr
    assert Path(tmp_path, 'work_dirs/tiny').is_dir()

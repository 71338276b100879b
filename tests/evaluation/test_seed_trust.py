import math
from pathlib import Path

import pytest
import torch

from mmws.evaluation.seed_trust import right_weight_shares, right_weight_sums
from mmws.models.wst_weights import view_seeds


def test_right_weight_is_that_of_a_loop_over_the_pixels():
    seeds = torch.randint(0, 4, (1, 4, 6, 7))
    gt = torch.randint(0, 4, (1, 6, 7))
    seeds[seeds == 3], gt[gt == 3], seeds[..., 0, 0] = 255, 255, 255
    weights = torch.rand(1, 4, 6, 7)
    expected = torch.zeros(3, 2).double()
    for y in range(6):
        for x in range(7):
            known = [k for k in range(4) if seeds[0, k, y, x] != 255]
            if not known or gt[0, y, x] == 255:
                continue
            right = sum(weights[0, k, y, x] for k in known if seeds[0, k, y, x] == gt[0, y, x])
            total = sum(weights[0, k, y, x] for k in known)
            expected[gt[0, y, x]] += torch.tensor([right / total, 1])
    view = view_seeds(torch.rand(1, 3, 6, 7), seeds)
    found = right_weight_sums(weights, view, gt.to(torch.uint8))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_classes_count_alike_and_pixels_alike():
    sums = torch.tensor([[9.0, 10], [1.0, 2], [0.0, 0]])
    assert right_weight_shares(sums) == pytest.approx((10 / 12, (0.9 + 0.5) / 2))
    assert all(map(math.isnan, right_weight_shares(torch.zeros(3, 2))))


def test_the_hook_logs_and_leaves_the_training_alone(step_cfg, train):
    dataset = step_cfg.train_dataloader.dataset
    first = Path(dataset.seed_root, dataset.seed_dirs[0])
    hook = dict(type='mmengine.RightWeightHook', gt_dir=str(first), interval=2, num_images=3)
    with_hook, without = train(step_cfg, 'with', [hook]), train(step_cfg, 'without', [])
    losses = [[r['loss'] for r in records if 'loss' in r] for records in (with_hook, without)]
    assert losses[0] == losses[1]
    shares = [r for r in with_hook if 'right_weight/pixels' in r]
    assert [r['step'] for r in shares] == [0, 2, 4]
    # The ground truth here is one of the seeds, so that some weight is always right.
    for record in shares:
        assert 0 < record['right_weight/classes'] <= 1
        assert record['right_weight/pixels_plain'] == shares[0]['right_weight/pixels_plain']

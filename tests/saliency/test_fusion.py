import pytest
import torch

from mmws.saliency.fusion import check_outputs, fuse_outputs, stretch

NAMES = ('side1', 'side2', 'side3', 'side4', 'side5', 'side6', 'fuse')


@pytest.fixture
def probabilities():
    """Two pixels; the second is always twice the first."""
    first = torch.tensor([0.01, 0.02, 0.10, 0.20, 0.30, 0.04, 0.40])
    return torch.stack([first, 2 * first], 1)[:, None]


@pytest.mark.parametrize(
    ('outputs', 'mean'),
    [
        (('side3', 'side4', 'side5', 'fuse'), (0.1 + 0.2 + 0.3 + 0.4) / 4),
        (['side2', 'side3', 'side4', 'fuse'], (0.02 + 0.1 + 0.2 + 0.4) / 4),
    ],
)
def test_mean_of_the_chosen_outputs(probabilities, outputs, mean):
    fused = fuse_outputs(probabilities, NAMES, outputs)
    assert torch.allclose(fused, torch.tensor([[mean, 2 * mean]]))


def test_the_default_is_the_released_code_s(probabilities):
    assert torch.allclose(fuse_outputs(probabilities, NAMES), torch.tensor([[0.25, 0.5]]))


def test_stretch_by_hand():
    saliency = torch.tensor([[0.2, 0.3], [0.4, 0.6]])
    assert torch.allclose(stretch(saliency), torch.tensor([[0.0, 0.25], [0.5, 1.0]]))


def test_without_contrast_nothing_is_salient():
    assert not stretch(torch.full((3, 4), 0.7)).any()


@pytest.mark.parametrize('outputs', [(), ('side7',), ('fuse', 'side0'), 'fuse'])
def test_refuses_a_wrong_choice(outputs):
    with pytest.raises(ValueError, match='choose one or more of side1, side2'):
        check_outputs(outputs, NAMES)

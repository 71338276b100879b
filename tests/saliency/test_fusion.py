import pytest
import torch

from mmws.saliency.fusion import check_outputs, fuse_outputs, stretch

NAMES = ('side1', 'side2', 'side3', 'side4', 'side5', 'side6', 'fuse')


@pytest.fixture
def probabilities():
    """Two pixels; the second is always twice the first."""
    first = torch.tensor([0.01, 0.02, 0.10, 0.20, 0.30, 0.04, 0.40])
    return torch.stack([first, 2 * first], 1)[:, None]


def test_paper_by_hand(probabilities):
    """Sides 3, 4, 5 and fuse: (0.1 + 0.2 + 0.3 + 0.4) / 4 = 0.25, twice that is 0.5."""
    plain = fuse_outputs(probabilities, NAMES, min_max=False)
    assert torch.allclose(plain, torch.tensor([[0.25, 0.5]]))
    assert fuse_outputs(probabilities, NAMES).tolist() == [[0.0, 1.0]]


def test_other_outputs_by_hand(probabilities):
    """Sides 2, 3, 4 and fuse: (0.02 + 0.1 + 0.2 + 0.4) / 4 = 0.18."""
    chosen = fuse_outputs(
        probabilities, NAMES, outputs=['side2', 'side3', 'side4', 'fuse'], min_max=False
    )
    assert torch.allclose(chosen, torch.tensor([[0.18, 0.36]]))


def test_stretch_by_hand():
    saliency = torch.tensor([[0.2, 0.3], [0.4, 0.6]])
    assert torch.allclose(stretch(saliency), torch.tensor([[0.0, 0.25], [0.5, 1.0]]))


def test_without_contrast_nothing_is_salient():
    assert not stretch(torch.full((3, 4), 0.7)).any()


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_what_is_not_finite_is_no_black_map(value):
    with pytest.raises(ValueError, match='must be finite'):
        stretch(torch.tensor([[0.1, value, 0.3]]))


@pytest.mark.parametrize('outputs', [(), ('side7',), ('fuse', 'side0'), 'fuse'])
def test_refuses_a_wrong_choice(outputs):
    with pytest.raises(ValueError, match='choose one or more of side1, side2'):
        check_outputs(outputs, NAMES)

"""Fuse the outputs of DSS into one saliency map."""

from __future__ import annotations

from collections.abc import Sequence

import torch

# The released code averages these; a reading of the paper takes sides 2, 3, 4 and fuse.
PAPER_OUTPUTS = ('side3', 'side4', 'side5', 'fuse')


def stretch(saliency: torch.Tensor) -> torch.Tensor:
    """Stretch a map linearly to [0, 1], as the released code does.

    A map without any contrast becomes all 0: nothing stands out.

    Args:
        saliency: (..., H, W), finite floats.
    """
    low, high = saliency.min(), saliency.max()
    return (saliency - low) / (high - low) if high > low else torch.zeros_like(saliency)


def fuse_outputs(
    probabilities: torch.Tensor, names: Sequence[str], outputs: Sequence[str] = PAPER_OUTPUTS
) -> torch.Tensor:
    """Average some of the outputs of one image.

    Args:
        probabilities: (S, H, W), the sigmoid of every output.
        names: The S names: ``'side1'`` ... ``'side6'``, ``'fuse'``.
        outputs: Which of them to average.

    Returns:
        (H, W) in [0, 1].
    """
    return probabilities[[list(names).index(name) for name in outputs]].mean(0)


def check_outputs(outputs: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a choice of outputs that is empty or not there.

    Raises:
        ValueError: As said.
    """
    unknown = [name for name in outputs if name not in names]
    if unknown or not outputs or isinstance(outputs, str):
        raise ValueError(
            f'outputs to fuse: got {outputs!r}; choose one or more of {", ".join(names)}.'
        )

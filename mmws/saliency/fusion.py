"""From the outputs of DSS to one saliency map."""

from __future__ import annotations

from collections.abc import Sequence

import torch

# The released code averages these; a reading of the paper takes sides 2, 3, 4 and fuse.
PAPER_OUTPUTS = ('side3', 'side4', 'side5', 'fuse')


def stretch(saliency: torch.Tensor) -> torch.Tensor:
    """Stretches a map linearly to [0, 1], so that each has a pixel of 0 and one of 1.

    A map without any contrast becomes all 0: nothing stands out.

    Args:
        saliency: (H, W), floats.

    Raises:
        ValueError: There is a value that is not finite.
    """
    low, high = saliency.min(), saliency.max()
    if not torch.isfinite(high - low):
        raise ValueError(f'a saliency map must be finite; its values are {low} to {high}.')
    return (saliency - low) / (high - low) if high > low else torch.zeros_like(saliency)


def fuse_outputs(
    probabilities: torch.Tensor,
    names: Sequence[str],
    *,
    outputs: Sequence[str] = PAPER_OUTPUTS,
    min_max: bool = True,
) -> torch.Tensor:
    """Averages some of the outputs of one image, and stretches the result.

    Args:
        probabilities: (S, H, W), the sigmoid of every output.
        names: The S names: ``'side1'`` ... ``'side6'``, ``'fuse'``.
        outputs: Which of them to average.
        min_max: Stretch each map to [0, 1], as the released code does.

    Returns:
        (H, W) in [0, 1].

    Raises:
        ValueError: No output is chosen, or one that the network does not have.
    """
    check_outputs(outputs, names)
    mean = probabilities[[list(names).index(name) for name in outputs]].mean(0)
    return stretch(mean) if min_max else mean


def check_outputs(outputs: Sequence[str], names: Sequence[str]) -> None:
    """Refuses a choice of outputs that is empty or not there.

    Raises:
        ValueError: As said.
    """
    unknown = [name for name in outputs if name not in names]
    if unknown or not outputs or isinstance(outputs, str):
        raise ValueError(
            f'outputs to fuse: got {outputs!r}; choose one or more of {", ".join(names)}.'
        )

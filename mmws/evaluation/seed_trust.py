"""How far a model trusts each of its seeds, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mmws.files.label_map import UNKNOWN
from mmws.models.wst_weights import SeedView

from .tables import number, text_table


def trust_sums(view: SeedView, owners: Tensor, shape: tuple[int, int]) -> Tensor:
    """Sum up what one step says about the seeds.

    Args:
        view: What a loss saw of the step's batch.
        owners: (N, K) integers, which source made each of an image's seeds; -1 for none.
        shape: (S, C), the numbers of sources and classes.

    Returns:
        (S, C, 3) float64: per source and label the pixels, those that the prediction agrees with,
        and their weights of Eq. 6 times the number of the image's seeds: 1 is an average weight.
    """
    sources, classes = shape
    owners = owners.reshape(owners.shape + (1,) * (view.seeds.dim() - 2))
    counted = view.known & (owners >= 0)
    cell = (owners * classes + view.seeds.long())[counted]
    matches = view.seeds == view.logits.argmax(1, keepdim=True)
    values = (counted, matches, view.weights * view.counted)
    sums = [
        torch.bincount(cell, value[counted].double(), minlength=sources * classes)
        for value in values
    ]
    return torch.stack(sums, -1).reshape(sources, classes, len(values))


class SeedTrust(NamedTuple):
    """The means of what was summed up in one part of a training; NaN without pixels.

    Attributes:
        pixels: (S,) number of pixels that each source labels, in the steps that were looked at.
        weight: (S,) mean weight of a source's pixels; 1 is average.
        agreement: (S,) share of a source's pixels that the prediction agrees with.
        class_weight: (S, C) the mean weight for each label of a source.
        class_agreement: (S, C) the share for each label of a source.
    """

    pixels: Tensor
    weight: Tensor
    agreement: Tensor
    class_weight: Tensor
    class_agreement: Tensor

    @classmethod
    def of(cls, sums: Tensor) -> SeedTrust:
        """Divide the sums (S, C, 3) of :func:`trust_sums`."""
        pixels, matches, weight = sums.double().cpu().unbind(-1)
        known = pixels.sum(1)
        return cls(
            known, weight.sum(1) / known, matches.sum(1) / known, weight / pixels, matches / pixels
        )


def trust_table(
    names: Sequence[str], start: SeedTrust, end: SeedTrust, classes: Sequence[str]
) -> str:
    """Return the table at the end of a training, the least trusted source last.

    ``names`` are of the S sources, ``classes`` of the C classes; ``start`` and ``end`` are what
    the first and the last part of the training showed.
    """
    rows = [
        ['seed', 'weight', 'at start', 'agrees %', 'at start', 'per class %', 'weakest classes']
    ]
    # Over the labels that a source has: background does not outweigh the rest.
    per_class = end.class_agreement.nanmean(1)
    for s in torch.nan_to_num(end.weight, nan=-1.0).argsort(descending=True, stable=True).tolist():
        weights = end.class_weight[s]
        weakest = [c for c in weights.argsort().tolist() if not weights[c].isnan()][:3]
        rows.append(
            [
                names[s],
                *(number(part.weight[s], '.3f') for part in (end, start)),
                *(number(part.agreement[s], times=100) for part in (end, start)),
                number(per_class[s], times=100),
                ', '.join(f'{classes[c]} {weights[c]:.2f}' for c in weakest),
            ]
        )
    return text_table(rows, left=(0, len(rows[0]) - 1))


def right_weight_sums(weights: Tensor, view: SeedView, gt: Tensor) -> Tensor:
    """Sum up, by class of the ground truth, the share of weight that lies on the right label.

    At each pixel it is the weight of the seeds that say what the ground truth says, divided by the
    weight of those that know the pixel. Pixels that no seed or no ground truth knows do not count.

    Args:
        weights: (N, K, H, W) floats >= 0, those of the view or others to compare with.
        view: The seeds, and C.
        gt: (N, H, W) integers, 255 unknown.

    Returns:
        (C, 2) float64: the sum of the shares, and the number of pixels.
    """
    weights = (weights * view.known).double()
    known = weights.sum(1)
    right = (weights * (view.seeds == gt[:, None])).sum(1)
    counted = (gt != UNKNOWN) & (known > 0)
    classes, count = gt[counted].long(), view.logits.shape[1]
    shares = (right / known)[counted]
    sums = [torch.bincount(classes, v, minlength=count) for v in (shares, torch.ones_like(shares))]
    return torch.stack(sums, 1)


def right_weight_shares(sums: Tensor) -> tuple[float, float]:
    """From (C, 2) of :func:`right_weight_sums`: over all pixels, and the mean over the classes.

    Most pixels are background, which nearly every seed gets right: the second number says how
    objects fare. NaN where there is no pixel at all.
    """
    shares, pixels = sums.T
    return float(shares.sum() / pixels.sum()), float((shares / pixels).nanmean())

"""How far a training trusts each of its seeds, in numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmws.models.wst_weights import SeedView

# Their order in the last axis of the sums.
_PIXELS, _MATCHES, _WEIGHT = range(3)


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
    owners = owners[:, :, None, None]
    counted = view.known & (owners >= 0)
    cell = (owners * classes + view.seeds.long())[counted]
    matches = view.seeds == view.logits.argmax(1, keepdim=True)
    values = (counted, matches, view.weights * view.counted)
    sums = [
        torch.bincount(cell, value[counted].double(), minlength=sources * classes)
        for value in values
    ]
    return torch.stack(sums, -1).reshape(sources, classes, len(values))


class SeedTrust:
    """The means of what was summed up in one part of a training.

    Args:
        sums: (S, C, 3), see :func:`trust_sums`.
    """

    def __init__(self, sums: Tensor):
        self.sums = sums.double().cpu()

    @property
    def known(self) -> Tensor:
        """(S,) number of pixels that each source labels, in the steps that were looked at."""
        return self.sums[..., _PIXELS].sum(1)

    @property
    def agreement(self) -> Tensor:
        """(S,) share of a source's pixels that the prediction agrees with; NaN without pixels."""
        return self.sums[..., _MATCHES].sum(1) / self.known

    @property
    def class_agreement(self) -> Tensor:
        """(S, C) the same for each label of a source."""
        return self.sums[..., _MATCHES] / self.sums[..., _PIXELS]

    @property
    def mean_class_agreement(self) -> Tensor:
        """(S,) the mean over the labels a source has: background does not outweigh the rest."""
        return self.class_agreement.nanmean(1)

    @property
    def weight(self) -> Tensor:
        """(S,) mean weight of a source's pixels; 1 is average."""
        return self.sums[..., _WEIGHT].sum(1) / self.known

    @property
    def class_weight(self) -> Tensor:
        """(S, C) the same for each label of a source."""
        return self.sums[..., _WEIGHT] / self.sums[..., _PIXELS]

    def as_dict(self) -> dict[str, list]:
        """Return everything as lists for JSON, None where there is no pixel."""
        return dict(
            pixels=listed(self.known),
            weight=listed(self.weight),
            agreement=listed(self.agreement),
            class_weight=[listed(row) for row in self.class_weight],
            class_agreement=[listed(row) for row in self.class_agreement],
        )


def listed(values: Tensor) -> list[float | None]:
    """Return numbers rounded for a report; None for NaN."""
    return [None if math.isnan(value) else round(value, 6) for value in values.tolist()]


def trust_table(
    names: Sequence[str], start: SeedTrust, end: SeedTrust, classes: Sequence[str]
) -> str:
    """Return the table at the end of a training, the least trusted source last.

    Args:
        names: S names of the sources.
        start: What the first part of the training showed.
        end: What its last part showed.
        classes: C names of the classes.
    """
    order = torch.nan_to_num(end.weight, nan=-1.0).argsort(descending=True, stable=True).tolist()
    rows = [
        ['seed', 'weight', 'at start', 'agrees %', 'at start', 'per class %', 'weakest classes']
    ]
    for s in order:
        rows.append(
            [
                names[s],
                _number(end.weight[s], '.3f'),
                _number(start.weight[s], '.3f'),
                _number(100 * end.agreement[s], '.1f'),
                _number(100 * start.agreement[s], '.1f'),
                _number(100 * end.mean_class_agreement[s], '.1f'),
                _weakest(end.class_weight[s], classes),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    return '\n'.join(
        '  '.join(
            cell.ljust(width) if i in (0, last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _weakest(weights: Tensor, classes: Sequence[str], count: int = 3) -> str:
    order = [c for c in weights.argsort().tolist() if not weights[c].isnan()]
    return ', '.join(f'{classes[c]} {float(weights[c]):.2f}' for c in order[:count])


def _number(value: Tensor, form: str) -> str:
    return '-' if value.isnan() else format(float(value), form)

"""The weighted selective training (WST) loss, Eq. 4 to 7 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from mmseg.models.losses.utils import get_class_weight
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmws.files.label_map import UNKNOWN

from .hand_over import seeds_behind

_OF_UNKNOWN = ('keep', 'drop')
AVERAGE = ('labelled', 'all')
REDUCTION = ('mean', 'sum', 'none')


class SeedView(NamedTuple):
    """What a WST loss sees of a batch, and how far it believes it; without gradient.

    Attributes:
        logits: (N, C, H, W) float32.
        seeds: (N, K, H, W) integers in [0, C); 0 where a seed does not know.
        known: (N, K, H, W) bool, where a seed knows.
        predicted: (N, 1, H, W) int64, the prediction that selects the seeds.
        weights: (N, K, H, W) float32 in [0, 1], Eq. 6; 0 for a seed that an image lacks.
        counted: Number of seeds that the softmax of Eq. 6 runs over, broadcastable to
            (N, 1, H, W): the weight times it is 1 on average.
    """

    logits: Tensor
    seeds: Tensor
    known: Tensor
    predicted: Tensor
    weights: Tensor
    counted: Tensor


@torch.no_grad()
def view_seeds(
    seg_logits: Tensor,
    seeds: Tensor,
    scale: float = 1.0,
    ignore_index: int = 255,
    *,
    present: Tensor | None = None,
    unknown: str = 'keep',
    balance: float = 0.0,
    shares: Tensor | None = None,
) -> SeedView:
    """Weigh the seeds of a batch by the online prediction, Eq. 6 and 7.

    Args:
        seg_logits: (N, C, H, W) floats, the online prediction before the softmax.
        seeds: (N, K, H, W) integers in [0, C), or ``ignore_index`` where a seed does not know.
        scale: The factor s, >= 0. 0 gives 1/K everywhere.
        ignore_index: The label of unknown pixels; it never matches a prediction.
        present: (N, K) bool, False for a seed that an image lacks altogether: weight 0, and it
            does not count among the image's N_k. None: all are present.
        unknown: ``'keep'`` leaves unknown seeds in the softmax over k (the paper's formula: the
            weights of all present seeds sum to 1); ``'drop'`` takes them out (the weights of the
            seeds that know the pixel sum to 1).
        balance: See :class:`WSTLoss`.
        shares: (C,) shares of the classes for ``balance``. None: counted in ``seeds``, over all
            processes, which must all come here.

    Raises:
        ValueError: Shapes that do not fit, or a label outside [0, C).
    """
    seeds, known = _check_seeds(seg_logits, seeds, ignore_index)
    logits = seg_logits.detach().float()
    taking_part = known if unknown == 'drop' else torch.ones_like(known[:, :, :1, :1])
    if present is not None:
        taking_part = taking_part & present[:, :, None, None]
    biased = logits + _class_bias(logits, seeds, known, balance, shares) if balance else logits
    # Twice to five times as fast as argmax on a CPU.
    predicted = biased.max(1, keepdim=True).indices
    matches = known & (seeds == predicted.to(seeds.dtype))
    energy = scale * matches.float()
    if unknown == 'drop' or present is not None:
        energy = energy.masked_fill(~taking_part, -torch.inf)
    weights = energy.softmax(1)
    if unknown == 'drop' or present is not None:
        weights = weights.masked_fill(~taking_part, 0)  # NaN where no seed takes part
    return SeedView(logits, seeds, known, predicted, weights, taking_part.sum(1, keepdim=True))


def wst_weights(seg_logits: Tensor, seeds: Tensor, *args, **kwargs) -> Tensor:
    """Return the weight of each seed at each pixel, Eq. 6 and 7.

    Args:
        seg_logits: As in :func:`view_seeds`, as are all others.
        seeds: (N, K, H, W).

    Returns:
        (N, K, H, W) float32 in [0, 1], without gradient.
    """
    return view_seeds(seg_logits, seeds, *args, **kwargs).weights


def soft_label_loss(
    seg_logits: Tensor,
    view: SeedView,
    *,
    class_weight: Tensor | None = None,
    use_sigmoid: bool = False,
) -> tuple[Tensor, Tensor]:
    """Compute the loss of every pixel, Eq. 5 before the sum over i, j.

    Summed over k first, w * y is one soft label per pixel, so that Eq. 5 is one cross entropy.

    Args:
        seg_logits: (N, C, H, W) floats; computed in float32.
        view: Of these logits.
        class_weight: (C,) floats, multiplies the loss of a seed's pixel by its label's weight.
        use_sigmoid: C binary cross entropies (their mean over C) instead of the softmax one.

    Returns:
        The loss (N, H, W) float32, 0 where no seed knows the pixel, and the mass (N, H, W) float32
        without gradient: 1 where at least one seed knows the pixel, else 0; with ``class_weight``
        the weighted mean of its seeds' class weights. Its sum is what the mean divides by.
    """
    logits = seg_logits.float()
    soft_label = torch.zeros_like(view.logits)
    soft_label.scatter_add_(1, view.seeds.long(), view.weights * view.known)
    mass = view.known.any(1).float()
    if use_sigmoid:
        total = soft_label.sum(1, keepdim=True)
        return (total * F.softplus(logits) - soft_label * logits).mean(1), mass
    if class_weight is not None:
        total = soft_label.sum(1).clamp(min=torch.finfo(torch.float32).tiny)
        mass = torch.einsum('nchw,c->nhw', soft_label, class_weight) / total
    return F.cross_entropy(logits, soft_label, class_weight, reduction='none'), mass


@MODELS.register_module()
class WSTLoss(nn.Module):
    """Weighted selective training: cross entropy with K seeds, weighted by the online prediction.

    A decode-head loss with mmseg's signature. With one label map (or K = 1) it is mmseg's
    ``CrossEntropyLoss(avg_non_ignore=True)``; with ``scale=0`` it is the plain average of Eq. 4.
    Inside a :class:`MultiSeedSegmentor` the heads still pass their one (N, H, W) label and the
    seeds are picked up from the hand-over; pixels that the head masked out of its label stay
    masked. Logits with one channel z are mmseg's binary form: the classes' logits are 0 and z.

    The mean is taken over the pixels that at least one seed labels, over the whole batch of all
    processes: a step on several GPUs has the gradient of one process with the whole batch.

    Args:
        scale: The factor s of Eq. 6; the paper uses 1. Larger is more selective.
        balance: How far the prediction that selects the seeds is balanced by class, >= 0; the paper
            has 0. Logits are compared after -balance * log(share of the class among the labels of
            the batch) is added to them, and only those of classes that some seed of the image
            names; in Eq. 6 only. With 1 a frequent class does not win because it is frequent:
            selection stays safe where all seeds err towards background, or where the network
            starts from nothing (docs/results.md has what it gave).
        unknown: ``'keep'`` (the paper's formula) or ``'drop'`` unknown pixels of a seed from the
            softmax over the seeds, see :func:`view_seeds`.
        average: What the mean divides by: ``'labelled'`` pixels (at least one seed knows them) or
            ``'all'`` pixels (Eq. 5 literally).
        use_sigmoid: C binary cross entropies instead of the softmax one, as in mmseg.
        class_weight: C floats or a file that holds them, as in mmseg.
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.
        loss_weight: Multiplies the result.
        ignore_index: The label of unknown pixels, where the call names none.
        loss_name: The name in the logs; starts with ``loss_`` so that it is back-propagated.

    Example:
        >>> loss = WSTLoss()
        >>> loss(torch.randn(2, 21, 41, 41), torch.randint(0, 21, (2, 12, 41, 41)))
    """

    def __init__(
        self,
        *,
        scale: float = 1.0,
        balance: float = 0.0,
        unknown: str = 'keep',
        average: str = 'labelled',
        use_sigmoid: bool = False,
        class_weight: Sequence[float] | str | None = None,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
        ignore_index: int = 255,
        loss_name: str = 'loss_wst',
    ):
        super().__init__()
        if not scale >= 0:
            raise ValueError(f'scale is the factor s of Eq. 6 and must be >= 0; got {scale}.')
        if not balance >= 0:
            raise ValueError(f'balance must be >= 0, and 0 is the paper; got {balance}.')
        _check_choice('unknown', unknown, _OF_UNKNOWN)
        _check_choice('average', average, AVERAGE)
        _check_choice('reduction', reduction, REDUCTION)
        if use_sigmoid and class_weight is not None:
            raise ValueError(
                'class_weight has no place in the sigmoid form, where mmseg reads it as the weight '
                'of positives. Use loss_weight, or use_sigmoid=False.'
            )
        self.scale = scale
        self.balance = balance
        self.unknown = unknown
        self.average = average
        self.use_sigmoid = use_sigmoid
        self.class_weight = get_class_weight(class_weight)
        self.reduction = reduction
        self.loss_weight = loss_weight
        self.ignore_index = ignore_index
        self._loss_name = loss_name

    @property
    def loss_name(self) -> str:
        return self._loss_name

    def extra_repr(self) -> str:
        return (
            f'scale={self.scale}, balance={self.balance}, unknown={self.unknown!r}, '
            f'average={self.average!r}'
        )

    def view(
        self,
        seg_logits: Tensor,
        seeds: Tensor,
        ignore_index: int | None = None,
        present: Tensor | None = None,
        shares: Tensor | None = None,
    ) -> SeedView:
        """Weigh the seeds that the loss sees when it is called with the same arguments."""
        ignore_index = self.ignore_index if ignore_index is None else ignore_index
        if seeds.dim() == seg_logits.dim() - 1:
            handed = seeds_behind(seeds, ignore_index)
            if handed is None:
                seeds = seeds.unsqueeze(1)
            else:
                seeds, present, ignore_index = handed.seeds, handed.present, UNKNOWN
        return view_seeds(
            _images(_two_classes(seg_logits)),
            _images(seeds),
            self.scale,
            ignore_index,
            present=present,
            unknown=self.unknown,
            balance=self.balance,
            shares=shares,
        )

    def forward(
        self,
        seg_logits: Tensor,
        seeds: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int | None = None,
        present: Tensor | None = None,
        **kwargs,
    ) -> Tensor:
        """Compute the loss.

        Args:
            seg_logits: (N, C, H, W) floats of images, or (N, C, P) of points.
            seeds: (N, K, H, W) integers, or one label map (N, H, W); of points likewise.
            weight: (N, H, W) or (N, 1, H, W) floats, multiplies each pixel's loss.
            avg_factor: What the mean divides by, in place of the count.
            reduction_override: Replaces ``reduction`` for this call.
            ignore_index: Replaces the constructor's for this call.
            present: (N, K) bool, False for a seed that an image lacks altogether.

        Returns:
            A scalar, or (N, H, W) with reduction ``'none'``.
        """
        reduction = reduction_override or self.reduction
        _check_choice('reduction_override', reduction, REDUCTION)
        if avg_factor is not None and reduction == 'sum':
            raise ValueError('avg_factor can not be used with reduction="sum"')
        view = self.view(seg_logits, seeds, ignore_index, present)
        logits = _two_classes(seg_logits)
        class_weight = None
        if self.class_weight is not None:
            check_class_weight(self.class_weight, logits.shape[1], self.loss_name)
            class_weight = logits.new_tensor(self.class_weight, dtype=torch.float32)
        loss, mass = soft_label_loss(
            _images(logits),
            view,
            class_weight=class_weight,
            # Of two classes with the logits 0 and z the softmax is the sigmoid of z.
            use_sigmoid=self.use_sigmoid and seg_logits.shape[1] > 1,
        )
        if weight is not None:
            loss = loss * weight.float().reshape(loss.shape)
        if reduction == 'none':
            loss = loss.reshape(seg_logits.shape[:1] + seg_logits.shape[2:])
        else:
            loss = loss.sum()
        if reduction == 'mean':
            if avg_factor is None:
                avg_factor = mass.sum()
                if self.average == 'all':
                    avg_factor = avg_factor + (mass == 0).sum()
                all_reduce(avg_factor, 'mean')
            loss = loss / (avg_factor + torch.finfo(torch.float32).eps)
        return self.loss_weight * loss


def check_class_weight(class_weight: Sequence[float], num_classes: int, where: str) -> None:
    """Refuse class weights of another number than the classes.

    Raises:
        ValueError: Both numbers.
    """
    if len(class_weight) != num_classes:
        raise ValueError(
            f'class_weight of {where} has {len(class_weight)} values for {num_classes} classes. '
            'Give one for each class that the head predicts; with reduce_zero_label background is '
            'none of them.'
        )


def _two_classes(logits: Tensor) -> Tensor:
    """Give mmseg's binary form, one channel z, the two channels 0 and z."""
    return logits if logits.shape[1] > 1 else torch.cat([torch.zeros_like(logits), logits], 1)


def _images(maps: Tensor) -> Tensor:
    """View points (N, C, P) as images (N, C, P, 1)."""
    return maps.unsqueeze(-1) if maps.dim() == 3 else maps


def _class_bias(
    logits: Tensor, seeds: Tensor, known: Tensor, balance: float, shares: Tensor | None
) -> Tensor:
    """Return (N, C, 1, 1), what balances the classes; -inf for those that no seed names."""
    counts = logits.new_zeros(logits.shape[:2])
    counts.scatter_add_(1, seeds.flatten(1).long(), known.flatten(1).float())
    if shares is None:
        shares = counts.sum(0)
        all_reduce(shares)
        shares = shares / shares.sum()
    bias = -balance * shares.to(counts).clamp(min=1e-3).log()
    return torch.where(counts > 0, bias, -torch.inf)[:, :, None, None]


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f'{name} must be one of {", ".join(choices)}; got {value!r}.')


def _check_seeds(seg_logits: Tensor, seeds: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Refuse seeds that do not fit; return them with 0 where they are unknown, and where not."""
    grid = (seg_logits.shape[0], *seg_logits.shape[2:])
    if seg_logits.dim() != 4 or seeds.dim() != 4 or (len(seeds), *seeds.shape[2:]) != grid:
        raise ValueError(
            f'seeds must be (N, K, H, W) matching logits {tuple(seg_logits.shape)}; got '
            f'{tuple(seeds.shape)}. Does the pipeline end with PackMultiSeedInputs?'
        )
    if seeds.is_floating_point() or seeds.dtype == torch.bool:
        raise ValueError(f'seeds are integer label maps; got {seeds.dtype}.')
    num_classes = seg_logits.shape[1]
    known = seeds != ignore_index
    labels = seeds.masked_fill(~known, 0)
    # On a GPU the check would wait for the device; there the dataset's own check has to do.
    if seeds.device.type == 'cpu' and seeds.numel():
        lowest, highest = labels.aminmax()
        if lowest < 0 or highest >= num_classes:
            wrong = labels[(labels < 0) | (labels >= num_classes)]
            raise ValueError(
                f'seed labels must be in [0, {num_classes}) or {ignore_index} (unknown); found '
                f'{wrong.unique().tolist()[:5]}. Do the classes of the seeds and num_classes agree?'
            )
    # The smallest integers that hold every class compare fastest.
    return labels.to(torch.uint8) if num_classes <= 256 else labels.long(), known

"""The weighted selective training (WST) loss, Eq. 4 to 7 of the paper."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from mmengine.logging import MessageHub
from mmseg.models.losses.utils import get_class_weight
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .hand_over import UNKNOWN_LABEL, handed_seeds

UNKNOWN = ('keep', 'drop')
AVERAGE = ('labelled', 'all', 'seed')

# The seeds are counted class by class, as many classes at once as keep the temporary tensors (K
# bytes and two floats per class and pixel) below this many bytes: few kernels on small grids, no
# memory worth naming on large ones.
_AT_ONCE = 2**22

# Of `balance`: how far one batch moves the running shares of the classes, and what keeps a class
# that has not been seen from being predicted everywhere.
_SHARE_OF_A_BATCH = 0.05
_LEAST_SHARE = 1e-3


def wst_weights(
    seg_logits: Tensor,
    seeds: Tensor,
    scale: float = 1.0,
    ignore_index: int = 255,
    *,
    present: Tensor | None = None,
    unknown: str = 'keep',
    class_bias: Tensor | None = None,
) -> Tensor:
    """The weight of each seed at each pixel, Eq. 6 and 7.

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
        class_bias: (C,) floats, added to the logits where the prediction is read off them: see
            ``balance`` of :class:`WSTLoss`.

    Returns:
        (N, K, H, W) float32 in [0, 1], without gradient.
    """
    seeds, ignore_index = _check_seeds(seg_logits, seeds, ignore_index)
    with torch.no_grad():
        logits = seg_logits.float()
        terms = _pixel_terms(
            logits,
            seeds,
            scale,
            ignore_index,
            present,
            unknown,
            class_bias,
            torch.empty_like(logits),
        )
        weights = torch.where(_equal(seeds, terms.predicted).bool(), terms.hit, terms.miss)
        if unknown == 'drop':
            weights = weights.masked_fill(seeds == ignore_index, 0.0)
        if present is not None:
            weights = weights * present[:, :, None, None]
    return weights


def wst_pixel_loss(
    seg_logits: Tensor,
    seeds: Tensor,
    *,
    scale: float = 1.0,
    ignore_index: int = 255,
    present: Tensor | None = None,
    unknown: str = 'keep',
    class_bias: Tensor | None = None,
    class_weight: Tensor | None = None,
    seed_weight: Tensor | None = None,
    use_sigmoid: bool = False,
) -> tuple[Tensor, Tensor]:
    """The loss of every pixel, Eq. 5 before the sum over i, j.

    The cross entropies of the K seeds are never formed one by one: at each pixel the weighted seeds
    are one soft label, so that the work on (N, C, H, W) is that of one cross entropy whatever K is.

    Args:
        seg_logits: (N, C, H, W) floats; computed in float32.
        seeds: (N, K, H, W) integers in [0, C), or ``ignore_index``.
        scale: The factor s of Eq. 6, >= 0.
        ignore_index: The label of unknown pixels: no loss.
        present: As in :func:`wst_weights`.
        unknown: As in :func:`wst_weights`, as is ``class_bias``.
        class_weight: (C,) floats, multiplies the loss of a seed's pixel by its label's weight.
        seed_weight: (K,) floats, multiplies each seed's loss.
        use_sigmoid: C binary cross entropies (their mean over C) instead of the softmax one.

    Returns:
        The loss (N, H, W) float32, 0 where no seed knows the pixel, and the mass (N, H, W) float32
        without gradient: 1 where at least one seed knows the pixel, else 0; with ``class_weight``
        the weighted mean of its seeds' class weights. Its sum is what the mean divides by.

    Raises:
        ValueError: Shapes that do not fit, or a label outside [0, C).
    """
    seeds, ignore_index = _check_seeds(seg_logits, seeds, ignore_index)
    logits = seg_logits.float()
    loss, mass = _SoftLabelNLL.apply(
        logits,
        seeds,
        lambda workspace: _pixel_terms(
            logits, seeds, scale, ignore_index, present, unknown, class_bias, workspace
        ),
        class_weight,
        seed_weight,
        use_sigmoid,
    )
    return loss.squeeze(1), mass.squeeze(1)


@MODELS.register_module()
class WSTLoss(nn.Module):
    """Weighted selective training: cross entropy with K seeds, weighted by the online prediction.

    A decode-head loss with mmseg's signature. With one label map (or K = 1) it is mmseg's
    ``CrossEntropyLoss(avg_non_ignore=True)``; with ``scale=0`` it is the plain average of Eq. 4.
    Inside a :class:`MultiSeedSegmentor` the heads still pass their one (N, H, W) label and the
    seeds are picked up from the hand-over; pixels that the head masked out of its label (255 where
    a seed knows the pixel) stay masked.

    The mean is taken over the pixels that at least one seed labels, over the whole batch of all
    processes: a step on several GPUs has the gradient of one process with the whole batch.

    Args:
        scale: The factor s of Eq. 6; the paper uses 1. Larger is more selective.
        warmup: The share of the training, 0 to 1, that begins with the plain average (scale 0). The
            paper has none. It helps a network that says something sensible by then, and not one
            that still says background everywhere. Outside of a runner it is without effect.
        balance: How far the prediction that selects the seeds is balanced by class, >= 0; the paper
            has 0. Logits are compared after -balance * log(share of the class among the labels of
            the last batches) is added to them, in Eq. 6 only. With 1 a frequent class does not win
            because it is frequent: selection stays safe where all seeds err towards background, or
            where the network starts from nothing (docs/results.md has what it gave). The shares are
            a running mean and not kept in checkpoints.
        unknown: ``'keep'`` (the paper's formula) or ``'drop'`` unknown pixels of a seed from the
            softmax over the seeds, see :func:`wst_weights`.
        average: What the mean divides by: ``'labelled'`` pixels (at least one seed knows them),
            ``'all'`` pixels (Eq. 5 literally), or each ``'seed'`` by its own count of known pixels.
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
        warmup: float = 0.0,
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
        if not 0 <= warmup <= 1:
            raise ValueError(f'warmup is a share of the training, 0 to 1; got {warmup}.')
        if not balance >= 0:
            raise ValueError(f'balance must be >= 0, and 0 is the paper; got {balance}.')
        _check_choice('unknown', unknown, UNKNOWN)
        _check_choice('average', average, AVERAGE)
        _check_choice('reduction', reduction, ('mean', 'sum', 'none'))
        if use_sigmoid and class_weight is not None:
            raise ValueError(
                'class_weight has no place in the sigmoid form, where mmseg reads it as the weight '
                'of positives. Use loss_weight, or use_sigmoid=False.'
            )
        self.scale = scale
        self.warmup = warmup
        self.balance = balance
        # No buffer: the state dict stays the stock model's, and averaged models copy buffers.
        self._shares: Tensor | None = None
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

    @property
    def current_scale(self) -> float:
        """The factor s at this point of the training: 0 while it warms up."""
        return 0.0 if self.warmup and _training_progress() < self.warmup else self.scale

    def extra_repr(self) -> str:
        return (
            f'scale={self.scale}, warmup={self.warmup}, balance={self.balance}, '
            f'unknown={self.unknown!r}, average={self.average!r}'
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
        """Computes the loss.

        Args:
            seg_logits: (N, C, H, W) floats.
            seeds: (N, K, H, W) integers, or one label map (N, H, W).
            weight: (N, H, W) or (N, 1, H, W) floats, multiplies each pixel's loss.
            avg_factor: What the mean divides by, in place of the count.
            reduction_override: Replaces ``reduction`` for this call.
            ignore_index: Replaces the constructor's for this call.
            present: (N, K) bool, False for a seed that an image lacks altogether.

        Returns:
            A scalar, or (N, H, W) with reduction ``'none'``.
        """
        reduction = reduction_override or self.reduction
        _check_choice('reduction_override', reduction, ('mean', 'sum', 'none'))
        if avg_factor is not None and reduction == 'sum':
            raise ValueError('avg_factor can not be used with reduction="sum"')
        ignore_index = self.ignore_index if ignore_index is None else ignore_index
        if seeds.dim() == 3:
            seeds, present, ignore_index = self._seeds_behind(seeds, present, ignore_index)
        class_weight = None
        if self.class_weight is not None:
            class_weight = torch.as_tensor(
                self.class_weight, dtype=torch.float32, device=seg_logits.device
            )
        by_seed = self.average == 'seed' and reduction == 'mean' and avg_factor is None
        loss, mass = wst_pixel_loss(
            seg_logits,
            seeds,
            scale=self.current_scale,
            ignore_index=ignore_index,
            present=present,
            unknown=self.unknown,
            class_bias=self._class_bias(seeds, ignore_index, seg_logits.shape[1]),
            class_weight=class_weight,
            seed_weight=_inverse_counts(seeds, ignore_index) if by_seed else None,
            use_sigmoid=self.use_sigmoid,
        )
        if weight is not None:
            loss = loss * weight.float().reshape(loss.shape)
        if reduction == 'none':
            return self.loss_weight * loss
        loss = loss.sum()
        if reduction == 'mean' and not by_seed:
            if avg_factor is None:
                avg_factor = mass.sum()
                if self.average == 'all':
                    avg_factor = avg_factor + (mass == 0).sum()
                all_reduce(avg_factor, 'mean')
                avg_factor = avg_factor.clamp(min=torch.finfo(torch.float32).eps)
            else:
                avg_factor = avg_factor + torch.finfo(torch.float32).eps
            loss = loss / avg_factor
        return self.loss_weight * loss

    @property
    def class_bias(self) -> Tensor | None:
        """(C,) what is added to the logits where the prediction is taken; None without balance,
        and before the first step."""
        return None if self._shares is None else self.bias_of(self._shares)

    def bias_of(self, shares: Tensor) -> Tensor:
        """(C,) the class bias where the classes have these shares, (C,), of all labels."""
        return -self.balance * (shares + _LEAST_SHARE).log()

    def _class_bias(self, seeds: Tensor, ignore_index: int, num_classes: int) -> Tensor | None:
        """Takes the labels of a batch into the running shares of the classes."""
        if self.balance and (self.training or self._shares is None):
            labels = seeds.long().masked_fill(seeds == ignore_index, num_classes)
            counts = torch.bincount(labels.flatten(), minlength=num_classes + 1)[:num_classes]
            counts = counts.float()
            all_reduce(counts)
            shares = counts / counts.sum().clamp(min=1)
            if self._shares is not None:
                shares = self._shares.to(shares).lerp(shares, _SHARE_OF_A_BATCH)
            self._shares = shares
        return self.class_bias

    @staticmethod
    def _seeds_behind(
        label: Tensor, present: Tensor | None, ignore_index: int
    ) -> tuple[Tensor, Tensor | None, int]:
        """The seeds handed over with this label, masked as the head masked it; else the label."""
        handed = handed_seeds()
        if handed is None or _grid(handed.seeds) != _grid(label.unsqueeze(1)):
            return label.unsqueeze(1), present, ignore_index
        handed.uses.append('WSTLoss')
        masked = (label == ignore_index).unsqueeze(1)
        return handed.seeds.masked_fill(masked, UNKNOWN_LABEL), handed.present, UNKNOWN_LABEL


class _SoftLabelNLL(torch.autograd.Function):
    """Cross entropy of the logits with the weighted seeds as one soft label per pixel.

    With q_c = sum over the seeds k that say c of their weight, and Q = sum_c q_c <= 1, the loss is
    Q * logsumexp(z) - sum_c q_c z_c and its gradient Q * softmax(z) - q. Written out by hand
    because autograd would keep K gathered tensors, and the naive loop K log-softmaxes.

    A seed's weight is ``miss``, and ``hit - miss`` more where it says the predicted class. So q is
    ``miss`` times a count of the seeds per class, and one term at the predicted class.
    """

    @staticmethod
    def forward(ctx, logits, seeds, find_terms, class_weight, seed_weight, use_sigmoid):
        # One buffer of the logits' size serves twice: filling fresh memory is what costs on a CPU.
        buffer = torch.empty_like(logits)
        terms = find_terms(buffer)
        predicted, miss = terms.predicted, terms.miss
        if use_sigmoid:
            probability = torch.sigmoid(logits, out=buffer)
            normaliser = F.softplus(logits).sum(1, keepdim=True)
        else:
            probability = torch.softmax(logits, 1, out=buffer)
            # The winner's probability is at least 1/C: its logarithm loses nothing, and the
            # normaliser is right for logits of any size.
            normaliser = terms.highest - probability.amax(1, keepdim=True).log()

        matching = terms.matching
        if seed_weight is not None:
            matching = _count(_equal(seeds, predicted), seed_weight).float()
        extra = (terms.hit - miss) * matching
        if class_weight is not None:
            extra = extra * class_weight[predicted]
        score, known, counts = torch.zeros_like(miss), torch.zeros_like(miss), []
        for classes, count in _class_counts(seeds, logits.shape[1], seed_weight):
            counts += [classes, count]
            count = _weighted(count, classes, class_weight)
            score += (count * logits[:, classes]).sum(1, keepdim=True)
            known += count.sum(1, keepdim=True)
        total = miss * known + extra
        loss = total * normaliser - (miss * score + extra * terms.said)
        if use_sigmoid:
            loss = loss / logits.shape[1]
        else:
            # A difference of large numbers can fall a rounding error below zero.
            loss = loss.clamp_(min=0)
        mass = (terms.known > 0).float()
        if class_weight is not None:
            unweighted = miss * terms.known + (terms.hit - miss) * terms.matching
            mass = mass * total / unweighted.clamp(min=1e-12)
        ctx.classes = counts[::2]
        ctx.save_for_backward(
            probability, predicted, miss, extra, total, class_weight, *counts[1::2]
        )
        ctx.use_sigmoid = use_sigmoid
        ctx.mark_non_differentiable(mass)
        return loss, mass

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_loss, _):
        probability, predicted, miss, extra, total, class_weight, *counts = ctx.saved_tensors
        if ctx.use_sigmoid:
            grad_loss = grad_loss / probability.shape[1]
        grad = probability * (grad_loss * total)
        grad.scatter_add_(1, predicted, -grad_loss * extra)
        shared = grad_loss * miss
        for classes, count in zip(ctx.classes, counts, strict=True):
            grad[:, classes].addcmul_(_weighted(count, classes, class_weight), shared, value=-1)
        return grad, None, None, None, None, None


class _PixelTerms(NamedTuple):
    """What Eq. 6 and 7 need of a pixel; each (N, 1, H, W).

    At a pixel Eq. 6 takes two values only: ``hit`` for the seeds that match the prediction, and
    ``miss`` for the others. ``said`` is the logit of the predicted class, which is the ``highest``
    one unless there is a class bias.
    """

    highest: Tensor
    predicted: Tensor
    said: Tensor
    hit: Tensor
    miss: Tensor
    matching: Tensor
    known: Tensor


def _pixel_terms(
    logits: Tensor,
    seeds: Tensor,
    scale: float,
    ignore_index: int,
    present: Tensor | None,
    unknown: str,
    class_bias: Tensor | None,
    workspace: Tensor,
) -> _PixelTerms:
    """With m of n seeds matching: hit = e^s / (m e^s + n - m), miss = 1 / (m e^s + n - m).

    Both are divided through by e^s, so that no scale overflows.
    """
    if class_bias is None:
        highest, predicted = _winner(logits, workspace)
        said = highest
    else:
        highest = logits.amax(1, keepdim=True)
        _, predicted = _winner(logits + class_bias[:, None, None], workspace)
        said = logits.gather(1, predicted)
    matching = _count(_equal(seeds, predicted)).float()
    known = seeds.shape[1] - _count(_equal(seeds, ignore_index)).float()
    if unknown == 'drop':
        counted = known
    elif present is not None:
        counted = present.sum(1).to(matching)[:, None, None, None]
    else:
        counted = torch.full_like(matching, seeds.shape[1])
    counted = counted.clamp(min=1)
    shrink = math.exp(-scale)
    # Where no seed matches all weights are equal, and nothing reads `hit`: it only has to be finite
    # where a large scale makes the other term 0.
    hit = 1 / (matching.clamp(min=1) + (counted - matching) * shrink)
    miss = torch.where(matching > 0, hit * shrink, 1 / counted)
    return _PixelTerms(highest, predicted, said, hit, miss, matching, known)


def _winner(logits: Tensor, workspace: Tensor) -> tuple[Tensor, Tensor]:
    """The highest logit (N, 1, H, W) float32 and the first class that has it (N, 1, H, W) int64.

    On a CPU ``max(1)`` takes twice the time of this and ``argmax(1)`` five times.

    Args:
        workspace: (N, C, H, W) float32, overwritten.
    """
    num_classes = logits.shape[1]
    highest = logits.amax(1, keepdim=True)
    downwards = torch.arange(num_classes, 0, -1, device=logits.device, dtype=logits.dtype)
    is_highest = torch.eq(logits, highest, out=workspace)
    first = is_highest.mul_(downwards[:, None, None]).amax(1, keepdim=True)
    # Where logits are NaN none equals the highest; the index stays in range, the loss is NaN.
    return highest, (num_classes - first.clamp(min=1)).long()


def _class_counts(
    seeds: Tensor, num_classes: int, seed_weight: Tensor | None
) -> Iterator[tuple[slice, Tensor]]:
    """How many of the seeds say each class, (N, c, H, W), for slices of c classes.

    Comparing bytes with every class is faster than one scatter per seed, and needs no int64
    indices.
    """
    pixels = seeds.shape[0] * seeds.shape[2] * seeds.shape[3]
    step = max(1, _AT_ONCE // max(1, pixels * (seeds.shape[1] + 8)))
    for first in range(0, num_classes, step):
        classes = slice(first, min(first + step, num_classes))
        label = torch.arange(classes.start, classes.stop, device=seeds.device, dtype=seeds.dtype)
        count = _count(_equal(seeds.unsqueeze(2), label[:, None, None]), seed_weight).squeeze(1)
        # Most classes occur in no seed of a crop. On a GPU asking would cost more than counting.
        if seeds.device.type == 'cpu' and step == 1 and not count.amax():
            continue
        yield classes, count


def _weighted(count: Tensor, classes: slice, class_weight: Tensor | None) -> Tensor:
    count = count.float()
    return count if class_weight is None else count * class_weight[classes, None, None]


def _equal(a: Tensor, b: Tensor | int) -> Tensor:
    """``a == b`` as uint8. An unknown label equals no class, since no class has its number.

    With bytes as output the comparison is vectorised on a CPU; with bools it is 20 times slower.
    """
    if isinstance(b, int):
        shape = a.shape
    else:
        shape, b = torch.broadcast_shapes(a.shape, b.shape), b.to(a.dtype)
    return torch.eq(a, b, out=torch.empty(shape, dtype=torch.uint8, device=a.device))


def _count(says: Tensor, seed_weight: Tensor | None = None) -> Tensor:
    """(N, K, ...) uint8 of 0 and 1 -> their sum over K, (N, 1, ...) integers; with weights (K,) the
    sum of the weights where it is 1, float32."""
    if seed_weight is not None:
        weight = seed_weight.reshape(-1, *[1] * (says.dim() - 2))
        return (says * weight).sum(1, keepdim=True)
    # A sum in bytes is far faster than one that goes through int64.
    dtype = torch.uint8 if says.shape[1] < 256 else torch.int64
    return says.sum(1, keepdim=True, dtype=dtype)


def _inverse_counts(seeds: Tensor, ignore_index: int) -> Tensor:
    """(K,) 1 / the number of pixels that each seed knows, over all processes' batches."""
    counts = (seeds != ignore_index).sum((0, 2, 3)).float()
    num_seeds = len(counts)
    if get_world_size() > 1:
        # K is the largest of a batch, and processes hold different batches.
        most = torch.tensor(num_seeds, device=counts.device)
        all_reduce(most, 'max')
        counts = F.pad(counts, (0, int(most) - num_seeds))
        all_reduce(counts, 'mean')
    return 1 / counts[:num_seeds].clamp(min=1e-6)


def _training_progress() -> float:
    """How much of the training is done, 0 to 1; 1 outside of a runner."""
    hub = MessageHub.get_current_instance()
    iterations = hub.get_info('max_iters', 0)
    return hub.get_info('iter', 0) / iterations if iterations else 1.0


def _grid(maps: Tensor) -> tuple[int, int, int]:
    return maps.shape[0], maps.shape[2], maps.shape[3]


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f'{name} must be one of {", ".join(choices)}; got {value!r}.')


def _check_seeds(seg_logits: Tensor, seeds: Tensor, ignore_index: int) -> tuple[Tensor, int]:
    """Refuses what does not fit; the seeds in the smallest dtype that holds them, and the label of
    unknown pixels, which is none of the classes."""
    if seg_logits.dim() != 4 or seeds.dim() != 4 or _grid(seeds) != _grid(seg_logits):
        raise ValueError(
            f'seeds must be (N, K, H, W) matching logits {tuple(seg_logits.shape)}; got '
            f'{tuple(seeds.shape)}. Does the pipeline end with PackMultiSeedInputs?'
        )
    if seeds.is_floating_point() or seeds.dtype == torch.bool:
        raise ValueError(f'seeds are integer label maps; got {seeds.dtype}.')
    num_classes = seg_logits.shape[1]
    # On a GPU the check would wait for the device; there the dataset's own check has to do.
    if seeds.device.type == 'cpu' and seeds.numel():
        if seeds.dtype == torch.uint8 and ignore_index == 255:
            in_range = int((seeds + 1).amax()) <= num_classes  # 255 wraps to 0
        else:
            wrong = ((seeds >= num_classes) | (seeds < 0)) & (seeds != ignore_index)
            in_range = not wrong.any()
        if not in_range:
            wrong = ((seeds >= num_classes) | (seeds < 0)) & (seeds != ignore_index)
            found = sorted(seeds[wrong].unique().tolist())[:5]
            raise ValueError(
                f'seed labels must be in [0, {num_classes}) or {ignore_index} (unknown); found '
                f'{found}. Do the classes of the seeds and num_classes agree?'
            )
    if 0 <= ignore_index < num_classes:  # a class that does not count
        return seeds.long().masked_fill(seeds == ignore_index, -1), -1
    if num_classes <= 255 and 0 <= ignore_index <= 255:
        seeds = seeds.to(torch.uint8)
    return seeds, ignore_index

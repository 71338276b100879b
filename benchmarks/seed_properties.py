"""What must hold of a model trained with seeds, checked against its stock form.

Used by ``benchmarks/families.py`` on mmseg's own configs and by ``tests/models/test_families.py``
on small models.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import mmws  # noqa: F401  # isort: skip  (stands in for the ops that mmcv-lite lacks)

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.models.losses import OhemCrossEntropy
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.structures.sampler import OHEMPixelSampler
from torch import Tensor, nn

from mmws.models import WSTLoss
from mmws.seeds.vote import vote

# Both models compute the same logits; what is left is the rounding of the losses.
_TOLERANCE = dict(rtol=2e-5, atol=1e-6)


@dataclass
class Report:
    """What was found of one model.

    Attributes:
        failures: The properties that do not hold, in words. Empty: all hold.
        from_seeds: The losses that take every seed.
        from_vote: The losses that take the majority vote.
        notes: What is true of the stock model and not of ours, or is defined otherwise.
    """

    failures: list[str] = field(default_factory=list)
    from_seeds: list[str] = field(default_factory=list)
    from_vote: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Batch:
    """Random images with blocks of classes, and K label maps of them that disagree.

    All maps know and do not know the same pixels, so that every average has one denominator.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        size: tuple[int, int] = (64, 64),
        batch: int = 2,
        num_seeds: int = 3,
        device: str | torch.device = 'cpu',
    ):
        rng = np.random.default_rng(0)
        height, width = size
        seeds = np.zeros((batch, num_seeds, height, width), np.uint8)
        for image in seeds:
            for label in rng.integers(0, num_classes, 4):
                _put_block(rng, image, label)
            for seed in image:
                for label in rng.integers(0, num_classes, 3):
                    _put_block(rng, seed[None], label)
        seeds[:, :, : height // 8] = 255
        self.device = torch.device(device)
        self.seeds = torch.from_numpy(seeds).to(self.device)
        generator = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(batch, 3, *size, generator=generator).to(self.device)
        self.num_classes = num_classes

    def without_unknown(self) -> Batch:
        other = copy.copy(self)
        other.seeds = self.seeds.masked_fill(self.seeds == 255, 0)
        return other

    def samples(self, seeds: Tensor) -> list[SegDataSample]:
        """The data samples with these (N, K, H, W) seeds, as the pipeline packs them."""
        samples = []
        for image in seeds:
            label = torch.from_numpy(vote(image.cpu().numpy())).long()[None].to(self.device)
            size = tuple(label.shape[1:])
            sample = SegDataSample(
                metainfo=dict(img_shape=size, pad_shape=size, ori_shape=size, img_path='drawn'),
                gt_sem_seg=PixelData(data=label),
                gt_seeds=PixelData(data=image),
            )
            # Where mmseg's GenerateEdge stands in the pipeline it reads the vote.
            edges = (label != label.roll(1, -1)) | (label != label.roll(1, -2))
            sample.gt_edge_map = PixelData(data=edges.long())
            samples.append(sample)
        return samples


def _put_block(rng: np.random.Generator, maps: np.ndarray, label: int) -> None:
    height, width = maps.shape[-2:]
    top, left = rng.integers(0, height * 2 // 3), rng.integers(0, width * 2 // 3)
    maps[..., top : top + height // 3, left : left + width // 3] = label


def build_pair(
    stock: dict, options: dict, device: str = 'cpu', *, initialise: bool = True
) -> tuple[nn.Module, nn.Module]:
    """The stock model and its multi-seed form with the same weights, ready to train."""
    torch.manual_seed(0)
    of_stock = MODELS.build(copy.deepcopy(stock)).train().to(device)
    if initialise:
        of_stock.init_weights()
    else:
        for parameter in of_stock.parameters():
            nn.init.normal_(parameter, std=0.02)
    # As after some training: the first logits are so near 0 that all labels cost the same.
    for name, parameter in of_stock.named_parameters():
        if name.endswith('_seg.weight'):
            parameter.data *= 20
    cfg = copy.deepcopy(stock)
    cfg.update(type='mmws.MultiSeedSegmentor', base=stock['type'], **options)
    of_seeds = MODELS.build(cfg).train().to(device)
    of_seeds.load_state_dict(of_stock.state_dict(), strict=True)
    return of_stock, of_seeds


def step(model: nn.Module, batch: Batch, seeds: Tensor) -> dict[str, Tensor]:
    """The losses of one step, each summed; the same random numbers for every call."""
    torch.manual_seed(0)
    _, summed = model.parse_losses(model.loss(batch.inputs, batch.samples(seeds)))
    return {name: value for name, value in summed.items() if 'loss' in name and name != 'loss'}


def check(stock: nn.Module, model: nn.Module, batch: Batch) -> Report:
    """Compares a multi-seed model with its stock form.

    Args:
        stock: The stock model, in training mode.
        model: The multi-seed model with the same weights.
        batch: Images and seeds.
    """
    report = Report()
    if list(stock.state_dict()) != list(model.state_dict()):
        report.failures.append("the keys of state_dict are not the stock model's")
    state = copy.deepcopy(stock.state_dict())

    def losses_of(which: nn.Module, seeds: Tensor) -> dict[str, Tensor]:
        which.load_state_dict(state, strict=False)  # some heads learn in forward (EMANet)
        with torch.no_grad():
            return step(which, batch, seeds)

    try:
        losses_of(stock, batch.seeds)
    except (RuntimeError, IndexError) as error:
        report.notes.append(f'the stock model fails on 255: {str(error).splitlines()[0]}')
        found = losses_of(model, batch.seeds)
        if not all(value.isfinite() for value in found.values()):
            report.failures.append('a loss is not finite with unknown pixels')
        batch = batch.without_unknown()

    majority = torch.stack([s.gt_sem_seg.data for s in batch.samples(batch.seeds)]).byte()
    of_vote = losses_of(stock, majority)
    learned = losses_of(model, batch.seeds)

    equal = losses_of(model, majority.expand_as(batch.seeds).contiguous())
    for name, value in of_vote.items():
        if not _close(equal[name], value):
            report.failures.append(
                f'{name} with equal seeds is {equal[name]:.6g}, the stock model has {value:.6g}'
            )

    permuted = losses_of(model, batch.seeds.flip(1))
    for name, value in learned.items():
        if not _close(permuted[name], value):
            report.failures.append(f'permuting the seeds changes {name}')

    _set_scale(model, 0.0)
    # Which pixels are hard follows from the vote; the mean over the seeds needs one choice for all.
    chosen = [_take_all_pixels(m) for m in (stock, model)]
    plain, of_vote = losses_of(model, batch.seeds), losses_of(stock, majority)
    singles = [batch.seeds[:, k : k + 1] for k in range(batch.seeds.shape[1])]
    per_seed = [{**losses_of(model, seed), **losses_of(stock, seed)} for seed in singles]
    _set_scale(model, 1.0)
    learned = losses_of(model, batch.seeds)
    for restore in chosen:
        restore()
    for name, value in plain.items():
        each = torch.stack([losses[name] for losses in per_seed])
        takes_vote = name in of_vote and _close(value, of_vote[name])
        if _close(value, each.mean()) and not takes_vote:
            report.from_seeds.append(name)
        elif takes_vote and _close(learned[name], of_vote[name]):
            report.from_vote.append(name)
        elif any(
            _close(value, (each * mass).sum() / mass.sum()) for mass in _masses(model, singles)
        ):
            report.from_seeds.append(name)
            report.notes.append(f'{name}: seeds weighted by the class weights of their pixels')
        else:
            report.failures.append(
                f'{name} with scale=0 is {value:.6g}, '
                f'the mean over the stock losses {each.mean():.6g}'
            )
    if not report.from_seeds or all(
        name in of_vote and _close(learned[name], of_vote[name]) for name in report.from_seeds
    ):
        report.failures.append('seeds that differ change nothing')

    model.load_state_dict(state, strict=False)
    model.zero_grad()
    sum(step(model, batch, batch.seeds).values()).backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    if not gradients or not all(g.isfinite().all() for g in gradients):
        report.failures.append('a gradient is not finite')
    return report


def _close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found.float(), expected.float(), equal_nan=True, **_TOLERANCE)


def _set_scale(model: nn.Module, scale: float) -> None:
    for module in model.modules():
        if isinstance(module, WSTLoss):
            module.rule.scale = scale


def _take_all_pixels(model: nn.Module) -> Callable[[], None]:
    """Lets every pixel count as hard; returns what undoes it."""
    # A sampler is no module: it hangs on its head.
    candidates = [*model.modules(), *(getattr(m, 'sampler', None) for m in model.modules())]
    found = [m for m in candidates if isinstance(m, (OhemCrossEntropy, OHEMPixelSampler))]
    before = [(m, m.thresh) for m in found]

    def restore() -> None:
        for m, thresh in before:
            m.thresh = thresh

    for m in found:
        if m.thresh is not None:  # by loss, a sampler takes the min_kept highest
            m.thresh = 2.0
    return restore


def _masses(model: nn.Module, singles: list[Tensor]) -> list[Tensor]:
    """Per set of class weights in the model, the sum of the weights of each seed's pixels."""
    masses = []
    for module in model.modules():
        if isinstance(module, WSTLoss) and module.class_weight is not None:
            weight = torch.as_tensor(module.class_weight, dtype=torch.float32)
            weight = torch.cat([weight, weight.new_zeros(256 - len(weight))])
            masses.append(torch.stack([weight[seed.long().cpu()].sum() for seed in singles]))
    return masses


def every_step(model: nn.Module, batch: Batch, seeds: Tensor) -> Callable[[], None]:
    """A training step without the optimizer, for timing."""
    samples = batch.samples(seeds)

    def run() -> None:
        model.zero_grad(set_to_none=True)
        total, _ = model.parse_losses(model.loss(batch.inputs, samples))
        total.backward()

    return run

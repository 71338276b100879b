"""DenseCRF (Kraehenbuehl & Koltun 2011) on the raw image, many score stacks in one pass.

Mean-field inference with a Potts model repeats

    log Q <- -U + c_g K_g Q + c_b K_b Q  (up to a constant a pixel),    Q <- softmax(log Q)

with the unary energies U = -log(scores) and two Gaussian filters K that depend on the image alone:
K_g on positions, K_b on positions and colours. So all G stacks of an image are channels of one
filter pass. Neither the softmax nor the model notices a value that is added to all labels of a
pixel, and the filters are linear: measured from its last label, a stack needs only the L - 1
channels ``log Q_l - log Q_last`` and ``Q_l - Q_last``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import inf

import numpy as np
import torch
from torch import Tensor

from .permutohedral import Lattice, SparseMatrix, normalized_lattice

BACKENDS = ('torch', 'pydensecrf')

# A probability below this counts as this, the limit that pydensecrf's own helper has too.
_LOWEST_SCORE = 1e-5
# Where the odds exp(x) of a few hundred labels are still far from the end of float32.
_HIGHEST_LOG_ODDS = 60
# So many floats stay in the cache; fewer at once took longer.
_NUMBERS_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class CRFOptions:
    """The six numbers of the CRF; by default those of the seeds.

    Attributes:
        iterations: Mean-field steps, >= 0; usual are 10 for seeds and 5 for test-time refinement.
        bilateral_sxy: Reach of the appearance term in pixels (its standard deviation), >= 0.1.
        bilateral_srgb: Reach of the appearance term in colour values (0-255), >= 0.1.
        bilateral_compat: Weight of the appearance term (Potts), >= 0.
        gaussian_sxy: Reach of the smoothness term in pixels, >= 0.1.
        gaussian_compat: Weight of the smoothness term (Potts), >= 0.

    Raises:
        ValueError: A number that makes no sense.
    """

    iterations: int = 10
    bilateral_sxy: float = 80
    bilateral_srgb: float = 13
    bilateral_compat: float = 10
    gaussian_sxy: float = 3
    gaussian_compat: float = 3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            whole = name == 'iterations'
            # A reach divides. Far below 0.1 no two pixels touch; above 1e6 all of them do.
            lowest, highest = (0, inf) if whole else (0 if name.endswith('compat') else 0.1, 1e6)
            number = isinstance(value, int if whole else (int, float))
            if isinstance(value, bool) or not (number and lowest <= value <= highest):  # or NaN
                kind = 'a whole number' if whole else 'a number'
                bound = f'of at least {lowest}' if whole else f'from {lowest} to {highest:.0f}'
                raise ValueError(f'the CRF option {name} is {kind} {bound}; got {value!r}.')


def refine_with_crf(
    image: np.ndarray,
    scores: np.ndarray,
    *,
    backend: str = 'torch',
    device: torch.device | str = 'cpu',
    **options: float,
) -> np.ndarray:
    """Refines G independent stacks of label scores of one image; the winner at each pixel.

    Args:
        image: (H, W, 3) uint8, RGB, the raw image (not normalised, not padded).
        scores: (G, L, H, W) floats in [0, 1]; only their ratios within a pixel and stack matter.
        backend: ``'torch'``, or ``'pydensecrf'``, the reference, which needs that package and is
            slower.
        device: Where torch computes.
        **options: The numbers of :class:`CRFOptions`.

    Returns:
        (G, H, W) uint8, the index in [0, L) of the winning label; of equal ones the first.

    Raises:
        ImportError: pydensecrf is asked for and not installed.
        ValueError: Shapes or values that do not fit.
    """
    logits = _infer(image, scores, backend, device, CRFOptions(**options))
    return logits.max(1).indices.byte().cpu().numpy()


def crf_probabilities(
    image: np.ndarray,
    scores: np.ndarray,
    *,
    backend: str = 'torch',
    device: torch.device | str = 'cpu',
    **options: float,
) -> np.ndarray:
    """Give what :func:`refine_with_crf` takes the winner of: probabilities (G, L, H, W) float32."""
    return _infer(image, scores, backend, device, CRFOptions(**options)).softmax(1).cpu().numpy()


def _pydensecrf_probabilities(
    image: np.ndarray, scores: np.ndarray, options: CRFOptions
) -> np.ndarray:
    """One stack through pydensecrf, as it is usually called: (L, H, W) in and out."""
    try:
        from pydensecrf.densecrf import DenseCRF2D
    except ImportError as error:
        raise ImportError(
            "backend='pydensecrf' needs pydensecrf, which is not installed. The CRF does not need "
            'it: leave out `backend`. To compare with it: pip install pydensecrf2 (the same code; '
            'pydensecrf itself no longer builds), with a C++ compiler; on Python 3.13 and newer '
            'pip install cython setuptools wheel && '
            'pip install --no-build-isolation pydensecrf2==1.1'
        ) from error
    labels, height, width = scores.shape
    crf = DenseCRF2D(width, height, labels)
    energies = -np.log(np.clip(scores, _LOWEST_SCORE, 1))
    crf.setUnaryEnergy(np.ascontiguousarray(energies.reshape(labels, -1), np.float32))
    crf.addPairwiseGaussian(sxy=options.gaussian_sxy, compat=options.gaussian_compat)
    crf.addPairwiseBilateral(
        sxy=options.bilateral_sxy,
        srgb=options.bilateral_srgb,
        rgbim=image.copy(),  # it must be writable
        compat=options.bilateral_compat,
    )
    return np.asarray(crf.inference(options.iterations)).reshape(scores.shape)


def _infer(
    image: np.ndarray,
    scores: np.ndarray,
    backend: str,
    device: torch.device | str,
    options: CRFOptions,
) -> Tensor:
    """(G, L, H, W) float32, the logarithms of the probabilities up to a constant a pixel."""
    if backend not in BACKENDS:
        raise ValueError(f'backend must be one of {BACKENDS}; got {backend!r}.')
    image, scores = _check_inputs(image, scores)
    if backend == 'pydensecrf':
        stacks = [_pydensecrf_probabilities(image, stack, options) for stack in scores]
        return torch.from_numpy(np.stack(stacks)).log_()
    with torch.inference_mode():
        return _torch_logits(
            torch.tensor(image).to(device), torch.tensor(scores).to(device), options
        )


def _torch_logits(image: Tensor, scores: Tensor, options: CRFOptions) -> Tensor:
    stacks, labels, height, width = scores.shape
    logits = scores.new_zeros(scores.shape, dtype=torch.float32)
    if labels > 1:
        logs = scores.clamp(_LOWEST_SCORE, 1).log_()
        unary = (logs[:, :-1] - logs[:, -1:]).float().view(-1, height * width).T.contiguous()
        log_odds = _mean_field(image, unary, stacks, options)
        logits[:, :-1] = log_odds.T.view(stacks, labels - 1, height, width)
    return logits


def _mean_field(image: Tensor, unary: Tensor, stacks: int, options: CRFOptions) -> Tensor:
    """Runs the steps on log-odds against each stack's last label: (H * W, G * (L - 1))."""
    if not options.iterations:
        return unary
    height, width = image.shape[:2]
    size = height, width, image.device
    gaussian = _spatial_lattice(*size, options.gaussian_sxy, options.gaussian_compat)
    points = torch.cat([_positions(*size), image.reshape(-1, 3).T])
    reach = [options.bilateral_sxy] * 2 + [options.bilateral_srgb] * 3
    bilateral = normalized_lattice(points, reach, options.bilateral_compat)
    # Both slices are one matrix on the vertices of both lattices.
    vertices = len(gaussian.blurs[0].columns)
    slice_both = SparseMatrix(
        torch.cat([gaussian.slice.columns, bilateral.slice.columns + vertices], 1),
        torch.cat([gaussian.slice.weights, bilateral.slice.weights], 1),
    )
    channels = unary.shape[1] // stacks
    same_stack = None
    if 1 < channels <= 8:
        same_stack = torch.block_diag(*[unary.new_ones(channels, channels)] * stacks)
    beliefs = torch.empty_like(unary)
    rows = _NUMBERS_AT_ONCE // unary.shape[1] + 1 if unary.device.type == 'cpu' else len(unary)
    pieces = [slice(start, start + rows) for start in range(0, len(unary), rows)]
    blurred = None
    for _ in range(options.iterations):
        for piece in pieces:
            log_odds = unary[piece]
            if blurred is not None:
                log_odds = (slice_both.rows(piece) @ blurred).add_(log_odds)
            _beliefs(log_odds, stacks, same_stack, beliefs[piece])
        blurred = torch.cat([gaussian.blur(beliefs), bilateral.blur(beliefs)])
    return (slice_both @ blurred).add_(unary)


def _beliefs(log_odds: Tensor, stacks: int, same_stack: Tensor | None, out: Tensor) -> None:
    """Writes ``Q_l - Q_last`` of ``log Q_l - log Q_last``: (N, G * (L - 1)) both.

    Args:
        same_stack: (G * (L - 1), G * (L - 1)), 1 where both channels are of one stack; or None.
    """
    odds = log_odds.view(len(log_odds), stacks, -1)
    out = out.view_as(odds)
    if odds.shape[2] == 1:
        torch.sigmoid(odds, out=out).mul_(2).sub_(1)
        return
    last = 1.0
    if odds.max() > _HIGHEST_LOG_ODDS:
        highest = odds.amax(2, keepdim=True).clamp_(min=0)
        odds = odds - highest
        last = highest.neg_().exp_()
    odds = odds.exp()
    if same_stack is None:
        total = odds.sum(2, keepdim=True)
    else:  # on short axes this is several times as fast
        total = (odds.flatten(1) @ same_stack).view_as(odds)
    torch.sub(odds, last, out=out).div_(total.add_(last))


@lru_cache(maxsize=4)
def _spatial_lattice(
    height: int, width: int, device: torch.device, sxy: float, compat: float
) -> Lattice:
    """The filter of positions, which depends on the image's size alone."""
    return normalized_lattice(_positions(height, width, device), [sxy, sxy], compat)


def _positions(height: int, width: int, device: torch.device) -> Tensor:
    """(2, H * W) float32: x and y of each pixel."""
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float32, device=device),
        torch.arange(width, dtype=torch.float32, device=device),
        indexing='ij',
    )
    return torch.stack([x.flatten(), y.flatten()])


def _check_inputs(image: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Refuse what does not fit; the image, and the scores as floats."""
    image, scores = np.asarray(image), np.asarray(scores)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f'the CRF works on the raw image, (H, W, 3) uint8 RGB; got {image.shape} '
            f'{image.dtype}. Pass it as decoded, before normalisation.'
        )
    if scores.ndim != 4 or not scores.size or scores.shape[2:] != image.shape[:2]:
        raise ValueError(
            f"scores must be (G, L, H, W) with the image's size {image.shape[:2]}; "
            f'got {scores.shape}.'
        )
    if scores.shape[1] > 256:
        raise ValueError(f'at most 256 labels fit into a uint8 label map; got {scores.shape[1]}.')
    scores = np.ascontiguousarray(scores, np.float64 if scores.dtype == np.float64 else np.float32)
    lowest, highest = scores.min(), scores.max()
    if not (lowest >= 0 and highest <= 1.001):  # False for NaN, which must not pass
        raise ValueError(
            f'scores must lie in [0, 1]; found [{lowest}, {highest}]. Logits need a softmax first.'
        )
    return np.ascontiguousarray(image), scores

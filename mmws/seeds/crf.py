"""DenseCRF (Kraehenbuehl & Koltun 2011) on the raw image, many score stacks in one pass.

Mean-field inference is mostly filtering, and the filters depend on the image alone. The seeds of
one image therefore share one :class:`pydensecrf.densecrf.DenseCRF2D`: its lattices are built once
and every filter pass carries the channels of all G stacks. Two identities keep the result that of
G separate calls:

* A softmax over the channels of all stacks, divided by a stack's own sum, is the softmax of that
  stack. So pydensecrf's own step can run on all of them together.
* Neither a softmax nor a Potts model notices a shift that all labels of a pixel share, and the
  filters are linear. Measured from the last label, a stack needs only the L - 1 channels
  ``Q_l - Q_last`` with energies ``U_l - U_last``; the last label is a channel of zeros that one
  copy of serves all stacks. G x L channels become G x (L - 1) + 1: 4 instead of 6 for three
  seeds of an image with one class.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from types import ModuleType

import numpy as np

# A probability below this counts as this, the limit that pydensecrf's own helper has too.
_LOWEST_SCORE = 1e-5


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
    **options: float,
) -> np.ndarray:
    """Refines G independent stacks of label scores of one image; the winner at each pixel.

    Args:
        image: (H, W, 3) uint8, RGB, the raw image (not normalised, not padded).
        scores: (G, L, H, W) floats in [0, 1]; only their ratios within a pixel and stack matter.
        **options: The numbers of :class:`CRFOptions`.

    Returns:
        (G, H, W) uint8, the index in [0, L) of the winning label; of equal ones the first.

    Raises:
        ImportError: pydensecrf is not installed.
        ValueError: Shapes or values that do not fit.
    """
    crf = CRFOptions(**options)
    scores = _check_inputs(image, scores)
    stacks, labels, height, width = scores.shape
    winner = np.zeros((stacks, height * width), np.uint8)
    beliefs = _beliefs(image, scores, crf)
    for row, belief in zip(winner, beliefs, strict=True):
        best = belief[0].copy()
        for label in range(1, labels):
            higher = belief[label] > best
            row[higher] = label
            np.maximum(best, belief[label], out=best)
    return winner.reshape(stacks, height, width)


def crf_probabilities(
    image: np.ndarray,
    scores: np.ndarray,
    **options: float,
) -> np.ndarray:
    """What :func:`refine_with_crf` takes the winner of: the label probabilities after the CRF.

    Args:
        image: As in :func:`refine_with_crf`, like all other arguments.

    Returns:
        (G, L, H, W) float32, sums to 1 over L.
    """
    crf = CRFOptions(**options)
    scores = _check_inputs(image, scores)
    probabilities = np.empty((*scores.shape[:2], scores[0, 0].size), np.float32)
    beliefs = _beliefs(image, scores, crf)
    for stack, belief in zip(probabilities, beliefs, strict=True):
        for label, channel in enumerate(belief):
            stack[label] = channel
        stack /= stack.sum(0)
    return probabilities.reshape(scores.shape)


def load_pydensecrf() -> ModuleType:
    """The module ``pydensecrf.densecrf``; call it before long work that ends in a CRF.

    Raises:
        ImportError: pydensecrf is not installed.
    """
    try:
        import pydensecrf.densecrf
    except ImportError as error:
        raise ImportError(
            'the CRF needs pydensecrf, which is not installed: pip install pydensecrf2 (the same '
            'code; pydensecrf itself no longer builds). It needs a C++ compiler and Python 3.10, '
            '3.11 or 3.12; on 3.13 only what needs no CRF works.'
        ) from error
    return pydensecrf.densecrf


def _beliefs(image: np.ndarray, scores: np.ndarray, options: CRFOptions) -> list[list[np.ndarray]]:
    """For each stack its L channels (H * W,), proportional to the probabilities at every pixel."""
    stacks, labels, height, width = scores.shape
    if labels == 1:
        return [[np.ones(height * width, np.float32)]] * stacks
    joint = _mean_field(image, _relative_energies(scores), labels, options)
    # Stacks share one softmax, and where their energies lie more than ~80 apart at a pixel, the
    # weaker one has vanished from it. Only compatibilities far above the usual ones get there.
    if stacks > 1 and not joint[-1].min() > np.finfo(np.float32).tiny * 2**20:
        return [_beliefs(image, scores[[stack]], options)[0] for stack in range(stacks)]
    return [
        [*joint[first : first + labels - 1], joint[-1]]
        for first in range(0, stacks * (labels - 1), labels - 1)
    ]


def _relative_energies(scores: np.ndarray) -> np.ndarray:
    """(G * (L - 1) + 1, H * W) float32 energies, relative to each stack's last label."""
    stacks, labels = scores.shape[:2]
    energies = -np.log(np.clip(scores.reshape(stacks, labels, -1), _LOWEST_SCORE, 1))
    relative = np.zeros((stacks * (labels - 1) + 1, energies.shape[-1]), np.float32)
    np.subtract(
        energies[:, :-1],
        energies[:, -1:],
        out=relative[:-1].reshape(stacks, labels - 1, -1),
        casting='same_kind',
    )
    return relative


def _mean_field(
    image: np.ndarray,
    energies: np.ndarray,
    labels: int,
    options: CRFOptions,
) -> np.ndarray:
    """Runs the steps; (G * (L - 1) + 1, H * W) float32, the last channel is every last label's."""
    height, width = image.shape[:2]
    crf = load_pydensecrf().DenseCRF2D(width, height, len(energies))
    crf.setUnaryEnergy(energies)
    if options.iterations:
        crf.addPairwiseGaussian(sxy=options.gaussian_sxy, compat=options.gaussian_compat)
        crf.addPairwiseBilateral(
            sxy=options.bilateral_sxy,
            srgb=options.bilateral_srgb,
            rgbim=np.require(image, requirements='CW'),
            compat=options.bilateral_compat,
        )
    state, *buffers = crf.startInference()
    joint = np.asarray(state)  # a view: what is written here is what the next step filters
    # A stack that has vanished from the joint softmax divides by zero; _beliefs sees that.
    with np.errstate(divide='ignore', invalid='ignore'):
        for _ in range(options.iterations):
            _measure_from_last_label(joint, labels)
            crf.stepInference(state, *buffers)
    return joint


def _measure_from_last_label(joint: np.ndarray, labels: int) -> None:
    """Turns the joint softmax into ``Q_l - Q_last`` of each stack, in place."""
    # Channel by channel: pydensecrf stores pixels first, and numpy is slow on short inner axes.
    last = joint[-1].copy()
    for first in range(0, len(joint) - 1, labels - 1):
        stack = joint[first : first + labels - 1]
        total = last.copy()
        for channel in stack:
            total += channel
        for channel in stack:
            channel -= last
            channel /= total
    joint[-1] = 0


def _check_inputs(image: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Refuses what does not fit; the scores as floats."""
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
    if scores.dtype != np.float64:
        scores = scores.astype(np.float32, copy=False)
    lowest, highest = scores.min(), scores.max()
    if not (lowest >= 0 and highest <= 1.001):  # False for NaN, which must not pass
        raise ValueError(
            f'scores must lie in [0, 1]; found [{lowest}, {highest}]. Logits need a softmax first.'
        )
    return scores

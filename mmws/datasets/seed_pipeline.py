"""Making mmseg's pipelines carry K seeds."""

from __future__ import annotations

from collections.abc import Iterator

from mmcv.transforms import BaseTransform, Compose, LoadAnnotations
from mmseg.datasets.transforms import Albu, GenerateEdge, PackSegInputs, RandomRotFlip

from .host_transforms import MixSeeds, ResizeAsBytes, RotateFlipLabels, SwapSeedLabels
from .label_view import INDEX, LabelView
from .load_multi_seed_annotations import LoadMultiSeedAnnotations
from .pack_multi_seed_inputs import PackMultiSeedInputs

# Libraries whose transforms move an index map as they move labels, but for those named below.
_KNOWN_LIBRARIES = ('mmcv.', 'mmseg.', 'mmws.')


def carry_seeds(
    pipeline: list, *, reduce_zero_label: bool = False, loads: bool = True, packs: bool = True
) -> None:
    """Replace and wrap the transforms of a pipeline, in place, so that it carries K seeds.

    It must load label maps and pack them at its end. The inner one of a MultiImageMixDataset does
    not pack, and the outer one does not load.
    """
    steps = list(_walk(pipeline))
    if loads:
        _check_loading(steps, reduce_zero_label)
    if packs and not any(type(step) in (PackSegInputs, PackMultiSeedInputs) for step in steps):
        raise ValueError(
            'the pipeline does not end with PackSegInputs or PackMultiSeedInputs. Found: '
            f'{_names(steps)}. Where a MultiImageMixDataset packs, put it into the '
            'MultiSeedDataset, not around it.'
        )
    _rewrite(pipeline)


def backend_of(pipeline: list, loader: type[BaseTransform]) -> dict | None:
    """Tell which ``backend_args`` the loading transform of a kind has; None where it has none."""
    found = [step.backend_args for step in _walk(pipeline) if isinstance(step, loader)]
    return found[0] if found else None


def _check_loading(steps: list, reduce_zero_label: bool) -> None:
    stock = [step for step in steps if isinstance(step, LoadAnnotations)]
    own = [step for step in steps if isinstance(step, LoadMultiSeedAnnotations)]
    for step in stock:
        # The stock transform asserts the same, but at the first image.
        reduces = getattr(step, 'reduce_zero_label', None)
        if reduces not in (None, reduce_zero_label):
            raise ValueError(
                f'the pipeline has LoadAnnotations(reduce_zero_label={reduces}) but the dataset '
                f'reduce_zero_label={reduce_zero_label}. Set it in the dataset, and leave it out '
                'of the pipeline.'
            )
        if not _is_known(step):
            raise ValueError(
                f'{type(step).__name__} loads label maps in its own way, and seeds are read as '
                '8-bit label maps. Write LoadMultiSeedAnnotations in its place if that is right.'
            )
    if len(stock) + len(own) != 1:
        raise ValueError(
            'the pipeline must load label maps once, by LoadAnnotations or '
            f'LoadMultiSeedAnnotations. Found: {_names(steps)}'
        )


def _convert(step: BaseTransform) -> BaseTransform:
    if isinstance(step, LoadAnnotations):
        return LoadMultiSeedAnnotations(step.backend_args)
    if type(step) is PackSegInputs:
        return PackMultiSeedInputs(meta_keys=step.meta_keys)
    if type(step) is RandomRotFlip:
        return RotateFlipLabels(step.rotate_prob, step.flip_prob, step.degree)
    if hasattr(step, 'get_indices'):
        return MixSeeds(step)
    if getattr(step, 'swap_seg_labels', None):
        return SwapSeedLabels(step)
    if isinstance(step, Albu) and hasattr(step.aug, 'add_targets'):
        step.aug.add_targets({INDEX: 'mask'})
    if isinstance(step, Albu) or not _is_known(step):
        return LabelView(step)
    # RandomResize and its like hold a Resize.
    if 'pillow' in (getattr(s, 'backend', None) for s in (step, getattr(step, 'resize', None))):
        return ResizeAsBytes(step)
    if isinstance(step, GenerateEdge) or getattr(step, 'cat_max_ratio', 1) < 1:
        return LabelView(step, moves_all=True)
    return step


def _is_known(step) -> bool:
    return type(step).__module__.startswith(_KNOWN_LIBRARIES)


def _names(steps: list) -> list[str]:
    return [type(step).__name__ for step in steps]


def _inner(step) -> list:
    """The transforms inside Compose, RandomApply, RandomChoice, ..., but not their configs."""
    inner = getattr(step, 'transforms', None)
    if isinstance(inner, Compose):
        return _inner(inner)
    return inner if isinstance(inner, list) and all(map(callable, inner)) else []


def _walk(transforms: list) -> Iterator[BaseTransform]:
    for step in transforms:
        if not isinstance(step, Compose):
            yield step
        yield from _walk(_inner(step))


def _rewrite(transforms: list) -> None:
    for i, step in enumerate(transforms):
        _rewrite(_inner(step))
        if not isinstance(step, Compose):
            transforms[i] = _convert(step)

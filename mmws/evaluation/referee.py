"""Which seeds to believe, before any training and without ground truth.

Dawid and Skene's model (:mod:`mmws.seeds.dawid_skene`) says how reliable each seed is by how the
others speak of the same pixels. Errors that most seeds share it takes for the truth: then only the
images can tell, which a training sees and this does not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mmws.files.label_map import BACKGROUND, UNKNOWN, drop_zero_label, read_label_map
from mmws.seeds.dawid_skene import agreement, disputed, fuse

from .check import MapsOfImage
from .tables import percent, text_table

# Pixels of an image that are looked at, spread evenly.
_PIXELS = 1024
# From these likenesses on two seeds count as one, and as of one camp.
_ALIKE, _CAMP = 0.8, 0.3
# A seed whose mean F1 is below this share of the best one's is odd.
_ODD = 0.5


@dataclass
class Advice:
    """What seeds without ground truth tell of each other; NaN for a class that nobody names.

    Attributes:
        recall: (K, C) share of the pixels of a class that the seed finds.
        precision: (K, C) share of the pixels to which the seed gives the label that are right.
        alike: (K, K) in [0, 1], how far two seeds agree where any two differ: 0 as little as those
            that agree least, 1 always.
        effective: How many opinions they amount to, from 1 to K. Good seeds are alike, too, as far
            as they are right.
        groups: Seeds that say the same, two or more each.
        camps: Sets of two seeds or more that agree with each other and not with the other sets.
        odd: Seeds that the others speak against.
        rule: The rule to take, a name or a config.
        reasons: Why, in sentences.
    """

    recall: np.ndarray
    precision: np.ndarray
    alike: np.ndarray
    effective: float
    groups: list[list[int]]
    camps: list[list[int]]
    odd: list[int]
    rule: str | dict
    reasons: list[str]

    @property
    def f1(self) -> np.ndarray:
        """(K,) mean over the classes of the harmonic mean of recall and precision."""
        total = self.recall + self.precision
        return np.nanmean(2 * self.recall * self.precision / np.where(total > 0, total, 1), 1)

    def as_dict(self, names: Sequence[str]) -> dict:
        """Return all numbers, NaN for what is not defined."""
        content = {
            key: value.tolist() if isinstance(value, np.ndarray) else value
            for key, value in dict(vars(self), f1=self.f1).items()
        }
        for key in ('groups', 'camps'):
            content[key] = [[names[k] for k in seeds] for seeds in content[key]]
        content['odd'] = [names[k] for k in self.odd]
        return content


def sample_image(
    job: MapsOfImage, *, reduce_zero_label: bool = False, backend_args: dict | None = None
) -> np.ndarray:
    """Take about a thousand pixels, spread evenly, of an image's K maps of one size.

    Returns:
        (K, 1024) uint8. 255 is unknown, fills up small images and stands for a map that is missing.
    """
    sample = np.full((len(job.maps), _PIXELS), UNKNOWN, np.uint8)
    for row, path in zip(sample, job.maps, strict=True):
        with contextlib.suppress(FileNotFoundError):
            labels = read_label_map(path, backend_args)
            labels = drop_zero_label(labels) if reduce_zero_label else labels
            places = np.linspace(0, labels.size - 1, min(_PIXELS, labels.size)).astype(int)
            row[: len(places)] = labels.ravel()[places]
    return sample


def advise(samples: np.ndarray, names: Sequence[str], num_classes: int) -> Advice:
    """Say how reliable each seed looks, how many there really are, and which rule to take.

    Args:
        samples: (N, K, P) uint8, of :func:`sample_image`; 255 is unknown.
        names: K names of the seeds.
        num_classes: C, above all labels.
    """
    labels = torch.from_numpy(samples)
    known = labels != UNKNOWN
    labels = labels.masked_fill(~known, 0)
    _, counted = fuse(labels, known, num_classes)
    counts = counted.counts.numpy()  # (K, given, true)
    right = np.diagonal(counts, axis1=1, axis2=2)
    exists = right.sum(0) > 0
    with np.errstate(invalid='ignore', divide='ignore'):
        recall = np.where(exists, right / counts.sum(1), np.nan)
        precision = np.where(exists, np.nan_to_num(right / counts.sum(2)), np.nan)
    same, both = agreement(labels, known & disputed(labels, known)).numpy()
    share = same / np.maximum(both, 1)
    alike = (share - share.min()) / max(1 - share.min(), 1e-6)
    np.fill_diagonal(alike, 1)
    effective = float((1 / alike.sum(1)).sum())
    groups, camps = (_groups(alike, least) for least in (_ALIKE, _CAMP))
    advice = Advice(recall, precision, alike, effective, groups, camps, [], '', [])
    advice.odd = np.flatnonzero(advice.f1 < _ODD * advice.f1.max()).tolist()
    _choose(advice, counts, names)
    return advice


def _groups(alike: np.ndarray, least: float) -> list[list[int]]:
    """Find seeds that are as alike, directly or by others in between, two or more each."""
    linked = np.linalg.matrix_power(alike > least, len(alike))
    rows = np.unique(linked, axis=0)[::-1]  # the smallest member first
    return [np.flatnonzero(row).tolist() for row in rows if row.sum() > 1]


def _choose(advice: Advice, counts: np.ndarray, names: Sequence[str]) -> None:
    """Choose the rule and say why."""
    say = advice.reasons.append

    def named(seeds: list[int]) -> str:
        return ', '.join(names[k] for k in seeds)

    for group in advice.groups:
        say(f'{named(group)} say nearly the same where seeds differ: they count as one.')
    if len(advice.camps) > 1:
        camps = '; '.join(map(named, advice.camps))
        say(
            f'There are camps that contradict each other: {camps}. The larger one wins every vote, '
            'right or wrong. Look at both (tools/browse_seeds.py) and leave the wrong one out.'
        )
    elif advice.odd:
        say(
            f'The others speak against {named(advice.odd)}. Look at it (tools/browse_seeds.py): '
            'it is bad, or it is right and they share an error.'
        )
    objects = np.arange(counts.shape[2]) != BACKGROUND
    of_objects = counts[:, :, objects].sum()
    lost = counts[:, BACKGROUND, objects].sum() / max(of_objects, 1)
    added = counts[:, objects, BACKGROUND].sum() / max(of_objects, 1)
    if lost > 0.1 and lost > 3 * added:
        say(
            f'Seeds miss {lost:.0%} of the pixels of objects and add {added:.0%}: a network that '
            "says background agrees with them. The paper's rule is not safe here."
        )
    if len(names) < 3:
        advice.rule = 'wst'
        say("Two seeds cannot outvote each other: the images have to tell, by the paper's rule.")
    elif len(advice.camps) > 1:
        # Of all rules it loses least there (docs/rules.md).
        advice.rule = dict(type='wst', balance=1.0)
    else:
        advice.rule = 'em'


def as_text(advice: Advice, names: Sequence[str], classes: Sequence[str]) -> str:
    """Write the advice so that one reads it at a glance."""
    shown = np.flatnonzero(~np.isnan(advice.recall).all(0))
    rows = [['', 'seed', 'F1 %', *(classes[c] if c < len(classes) else str(c) for c in shown)]]
    for k, name in enumerate(names):
        pairs = zip(advice.recall[k, shown], advice.precision[k, shown], strict=True)
        cells = [f'{percent(r)}/{percent(p)}' for r, p in pairs]
        rows.append([str(k + 1), name, percent(advice.f1[k]), *cells])
    lines = [
        'How reliable each seed looks, judged by the others: recall/precision % of each class\n'
        + text_table(rows, left=(1,)),
        f'{len(names)} seeds amount to {advice.effective:.1f} opinions. '
        f'Rule to try first: rule={advice.rule!r}.',
        *(f'- {reason}' for reason in advice.reasons),
    ]
    return '\n'.join(lines)

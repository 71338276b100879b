"""What a check of label maps found, for programs and for people."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import numpy as np

from mmws.files.atomic_write import write_atomically
from mmws.files.label_map import UNKNOWN

from .check import MISSING, SeedCheck, describe_palettes
from .seed_counts import rates

# Beyond this many classes the table shows those that the seeds disagree on most.
_CLASSES_SHOWN = 30
# Of a problem that thousands of files share, this many are named.
_NAMED = 5


def as_dict(
    check: SeedCheck,
    names: Sequence[str],
    *,
    classes: Sequence[str] | None = None,
    errors: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> dict:
    """Collect all numbers, NaN for what is not defined.

    Args:
        check: Of all images.
        names: K names of the seeds.
        classes: The names of the classes, label by label.
        errors: From :meth:`SeedCheck.verdict`.
        warnings: From the same.
    """
    labels = np.flatnonzero(check.in_maps[:, :UNKNOWN].any(0)).tolist()
    seeds = []
    for k, name in enumerate(names):
        found = rates(check.counts.confusion[k])
        problems = check.problems_of(k)
        seeds.append(
            dict(
                name=name,
                maps=int(check.maps[k]),
                missing=len(problems.get(MISSING, ())),
                palette=describe_palettes(check.palettes[k]),
                unknown=float(check.unknown[k]),
                miou_with_vote=found.miou_labelled,
                pixels={str(i): int(check.pixels[k, i]) for i in [*labels, UNKNOWN]},
                maps_with={str(i): int(check.in_maps[k, i]) for i in [*labels, UNKNOWN]},
                iou_with_vote={str(i): float(found.iou_labelled[i]) for i in labels},
                problems={
                    kind: dict(count=len(texts), examples=texts[:_NAMED])
                    for kind, texts in problems.items()
                },
            )
        )
    return dict(
        images=check.counts.images,
        classes=None if classes is None else list(classes),
        seeds=seeds,
        agreement=check.counts.agreement.tolist(),
        errors=list(errors),
        warnings=list(warnings),
    )


def as_text(report: dict) -> str:
    """Write the report of :func:`as_dict` so that one reads it at a glance."""
    seeds, agreement = report['seeds'], np.array(report['agreement'])
    numbers = [str(k + 1) for k in range(len(seeds))]
    rows = [['', 'seed', 'maps', 'missing', 'bad', 'labels', 'unknown %', 'IoU with vote %', 'PNG']]
    for number, seed in zip(numbers, seeds, strict=True):
        labels = [label for label, n in seed['maps_with'].items() if n and label != str(UNKNOWN)]
        bad = sum(p['count'] for kind, p in seed['problems'].items() if kind != MISSING)
        span = f'{labels[0]}..{labels[-1]} ({len(labels)})' if labels else '-'
        with_vote = percent(seed['miou_with_vote']) if len(seeds) > 1 else '-'
        counts = map(str, (seed['maps'], seed['missing'], bad))
        unknown = percent(seed['unknown'])
        rows.append([number, seed['name'], *counts, span, unknown, with_vote, seed['palette']])
    parts = [f'{report["images"]} images, {len(seeds)} seeds', text_table(rows, left=(1, 8))]
    if len(seeds) > 1 and not np.isnan(agreement).all():
        rows = [['', *numbers]]
        for k, row in enumerate(agreement):
            rows.append([numbers[k], *('-' if j == k else percent(v) for j, v in enumerate(row))])
        parts.append('Agreement: % of the pixels that both seeds know\n' + text_table(rows))
    parts.append(_classes(seeds, report['classes'] or []))
    for title, lines in (('Warnings', report['warnings']), ('Errors', report['errors'])):
        if lines:
            parts.append(f'{title} ({len(lines)})\n' + '\n'.join(f'- {line}' for line in lines))
    if not report['errors']:
        see = ', see the warnings' if report['warnings'] else ''
        parts.append(f'Nothing is wrong{see}.')
    return '\n\n'.join(parts)


def write_json(path: str | os.PathLike, content: dict) -> None:
    """Write a JSON file, with null for NaN."""
    text = json.dumps(_without_nan(content), indent=1, allow_nan=False)
    write_atomically(path, (text + '\n').encode())


def text_table(rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> str:
    """Align the columns of a table to the right, and some of them to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return '\n'.join(
        '  '.join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def percent(value: float) -> str:
    """Write a share in percent; a dash where it is not defined."""
    return '-' if np.isnan(value) else f'{100 * value:.1f}'


def _classes(seeds: Sequence[dict], classes: Sequence[str]) -> str:
    pixels = np.array([list(seed['pixels'].values())[:-1] for seed in seeds])
    shares = pixels / np.maximum(pixels.sum(1, keepdims=True), 1)
    labels = [int(label) for label in seeds[0]['iou_with_vote']]
    title, shown = 'Labels: % of the known pixels', np.arange(len(labels))
    if len(labels) > _CLASSES_SHOWN:
        shown = np.sort(np.argsort(-np.ptp(shares, axis=0), kind='stable')[:_CLASSES_SHOWN])
        title += f', the {_CLASSES_SHOWN} of {len(labels)} on which the seeds differ most'
    rows = [['', '', *(str(k + 1) for k in range(len(seeds)))]]
    for i in shown:
        name = classes[labels[i]] if labels[i] < len(classes) else ''
        rows.append([str(labels[i]), name, *(f'{100 * value:.2f}' for value in shares[:, i])])
    return f'{title}\n' + text_table(rows, left=(1,))


def _without_nan(value):
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value

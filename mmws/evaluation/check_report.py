"""What a check of label maps found, for people and for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import numpy as np

from mmws.files.atomic_write import write_atomically
from mmws.seeds.vote import UNKNOWN

from .check import MISSING, SeedCheck, describe_palettes
from .seed_counts import rates

# Beyond this many classes the table shows those that the seeds disagree on most.
_CLASSES_SHOWN = 30
# Of a problem that thousands of files share, this many are named.
_NAMED = 5


def as_text(
    check: SeedCheck,
    names: Sequence[str],
    *,
    classes: Sequence[str] | None = None,
    errors: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> str:
    """Write the report that one reads at a glance.

    Args:
        check: Of all images.
        names: K names of the seeds.
        classes: The names of the classes, label by label.
        errors: From :meth:`SeedCheck.verdict`.
        warnings: From the same.
    """
    parts = [f'{check.counts.images} images, {len(names)} seeds', _overview(check, names)]
    if len(names) > 1 and check.counts.known.any():
        numbers = [str(k + 1) for k in range(len(names))]
        rows = [['', *numbers]]
        for k, row in enumerate(check.counts.agreement):
            rows.append([numbers[k], *('-' if j == k else percent(v) for j, v in enumerate(row))])
        parts.append('Agreement: % of the pixels that both seeds know\n' + text_table(rows))
    parts.append(_classes(check, classes))
    for title, lines in (('Warnings', warnings), ('Errors', errors)):
        if lines:
            parts.append(f'{title} ({len(lines)})\n' + '\n'.join(f'- {line}' for line in lines))
    if not errors:
        parts.append('Nothing is wrong.' if not warnings else 'Nothing is wrong, see the warnings.')
    return '\n\n'.join(parts)


def as_json(
    check: SeedCheck,
    names: Sequence[str],
    *,
    classes: Sequence[str] | None = None,
    errors: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> dict:
    """Give all numbers, NaN for what is not defined. Arguments as in :func:`as_text`."""
    labels = _labels(check)
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


def write_json(path: str | os.PathLike, content: dict) -> None:
    """Write a JSON file, with null for NaN."""
    text = json.dumps(_without_nan(content), indent=1, allow_nan=False)
    write_atomically(path, (text + '\n').encode())


def _without_nan(value):
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value


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


def _overview(check: SeedCheck, names: Sequence[str]) -> str:
    rows = [['', 'seed', 'maps', 'missing', 'bad', 'labels', 'unknown %', 'IoU with vote %', 'PNG']]
    for k, name in enumerate(names):
        labels = np.flatnonzero(check.in_maps[k, :UNKNOWN])
        counts = {kind: len(texts) for kind, texts in check.problems_of(k).items()}
        missing = counts.pop(MISSING, 0)
        span = f'{labels[0]}..{labels[-1]} ({len(labels)})' if len(labels) else '-'
        with_vote = rates(check.counts.confusion[k]).miou_labelled
        rows.append(
            [
                *(str(k + 1), name, str(check.maps[k]), str(missing), str(sum(counts.values()))),
                *(span, percent(check.unknown[k]), percent(with_vote) if len(names) > 1 else '-'),
                describe_palettes(check.palettes[k]),
            ]
        )
    return text_table(rows, left=(1, 8))


def _classes(check: SeedCheck, classes: Sequence[str] | None) -> str:
    labels = _labels(check)
    known = check.pixels[:, :UNKNOWN].sum(1, keepdims=True)
    shares = check.pixels / np.maximum(known, 1)
    title = 'Labels: % of the known pixels'
    shown = labels
    if len(labels) > _CLASSES_SHOWN:
        spread = np.ptp(shares[:, labels], axis=0)
        shown = sorted(labels[i] for i in np.argsort(-spread, kind='stable')[:_CLASSES_SHOWN])
        title += f', the {_CLASSES_SHOWN} of {len(labels)} on which the seeds differ most'
    rows = [['', '', *(str(k + 1) for k in range(len(shares)))]]
    for label in shown:
        name = classes[label] if classes is not None and label < len(classes) else ''
        rows.append([str(label), name, *(f'{100 * value:.2f}' for value in shares[:, label])])
    return f'{title}\n' + text_table(rows, left=(1,))


def _labels(check: SeedCheck) -> list[int]:
    return np.flatnonzero(check.in_maps[:, :UNKNOWN].any(0)).tolist()

"""What a check of label maps found, for programs and for people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmws.files.label_map import UNKNOWN

from .check import MISSING, SeedCheck
from .seed_counts import rates
from .tables import percent, text_table

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

    ``names`` are of the K seeds, ``classes`` of the labels; errors and warnings are those of
    :meth:`SeedCheck.verdict`.
    """
    counts = check.counts
    labels = np.flatnonzero(counts.images_with[:, :-1].any(0)).tolist()

    def by_label(row: np.ndarray) -> dict[str, int]:
        return {**{str(i): int(row[i]) for i in labels}, str(UNKNOWN): int(row[-1])}

    seeds = []
    for k, name in enumerate(names):
        found, problems = rates(counts.confusion[k]), check.problems_of(k)
        palettes = {p if isinstance(p, str) else 'palette' for p in check.palettes[k]}
        seeds.append(
            dict(
                name=name,
                maps=int(counts.maps[k]),
                missing=len(problems.get(MISSING, ())),
                palette=' + '.join(sorted(palettes)) or '-',
                unknown=float(check.unknown[k]),
                miou_with_vote=found.miou_labelled,
                pixels=by_label(counts.given[k]),
                maps_with=by_label(counts.images_with[k]),
                iou_with_vote={str(i): float(found.iou_labelled[i]) for i in labels},
                problems={
                    kind: dict(count=len(texts), examples=texts[:_NAMED])
                    for kind, texts in problems.items()
                },
            )
        )
    return dict(
        images=counts.images,
        classes=None if classes is None else list(classes),
        seeds=seeds,
        agreement=counts.agreement.tolist(),
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
        parts.append(f'Nothing is wrong{", see the warnings" if report["warnings"] else ""}.')
    return '\n\n'.join(parts)


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

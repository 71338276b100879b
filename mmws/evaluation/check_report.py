"""What a check of label maps found, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmws.seeds.vote import UNKNOWN

from .check import SeedStatistics, describe_palettes

# Beyond this many classes the table shows those that the seeds disagree on most.
_CLASSES_SHOWN = 30


def as_text(
    statistics: SeedStatistics,
    names: Sequence[str],
    *,
    missing: np.ndarray,
    classes: Sequence[str] | None = None,
    errors: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> str:
    """The report that one reads at a glance.

    Args:
        statistics: Of all images.
        names: K names of the seeds.
        missing: (K,) number of images without a map.
        classes: The names of the classes, label by label.
        errors: From :func:`mmws.evaluation.check.verdict`.
        warnings: From the same.
    """
    parts = [
        f'{statistics.images} images, {len(names)} seeds',
        _overview(statistics, names, missing),
    ]
    if len(names) > 1 and statistics.both_known.any():
        parts.append(_agreement(statistics))
    parts.append(_classes(statistics, classes))
    parts += _listed('Warnings', warnings)
    parts += _listed('Errors', errors)
    if not errors:
        parts.append('Nothing is wrong.' if not warnings else 'Nothing is wrong, see the warnings.')
    return '\n\n'.join(parts)


def as_json(
    statistics: SeedStatistics,
    names: Sequence[str],
    *,
    missing: np.ndarray,
    classes: Sequence[str] | None = None,
    errors: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> dict:
    """All numbers, with None for what is not defined. Arguments as in :func:`as_text`."""
    iou = statistics.iou_with_vote()
    labels = _labels(statistics)
    return dict(
        images=statistics.images,
        classes=None if classes is None else list(classes),
        seeds=[
            dict(
                name=name,
                maps=int(statistics.maps[k]),
                missing=int(missing[k]),
                palette=describe_palettes(statistics.palettes[k]),
                unknown=_number(statistics.unknown[k]),
                miou_with_vote=_number(_mean(iou[k])),
                pixels={str(i): int(statistics.pixels[k, i]) for i in [*labels, UNKNOWN]},
                maps_with={str(i): int(statistics.in_maps[k, i]) for i in [*labels, UNKNOWN]},
                iou_with_vote={str(i): _number(iou[k, i]) for i in labels},
                problems={
                    kind: dict(count=problem.count, examples=problem.examples)
                    for kind, problem in statistics.problems[k].items()
                },
            )
            for k, name in enumerate(names)
        ],
        agreement=[[_number(value) for value in row] for row in statistics.agreement],
        errors=list(errors),
        warnings=list(warnings),
    )


def _overview(statistics: SeedStatistics, names: Sequence[str], missing: np.ndarray) -> str:
    iou = statistics.iou_with_vote()
    rows = [['', 'seed', 'maps', 'missing', 'bad', 'labels', 'unknown %', 'IoU with vote %', 'PNG']]
    for k, name in enumerate(names):
        labels = np.flatnonzero(statistics.in_maps[k, :UNKNOWN])
        bad = sum(p.count for kind, p in statistics.problems[k].items() if kind != 'missing')
        span = f'{labels[0]}..{labels[-1]} ({len(labels)})' if len(labels) else '-'
        rows.append(
            [
                str(k + 1),
                name,
                str(statistics.maps[k]),
                str(missing[k]),
                str(bad),
                span,
                _percent(statistics.unknown[k]),
                _percent(_mean(iou[k])) if len(names) > 1 else '-',
                describe_palettes(statistics.palettes[k]),
            ]
        )
    return _table(rows, left=(1, 8))


def _agreement(statistics: SeedStatistics) -> str:
    numbers = [str(k + 1) for k in range(statistics.num_seeds)]
    rows = [['', *numbers]]
    for k, row in enumerate(statistics.agreement):
        rows.append([numbers[k], *('-' if j == k else _percent(v) for j, v in enumerate(row))])
    return 'Agreement: % of the pixels that both seeds know\n' + _table(rows)


def _classes(statistics: SeedStatistics, classes: Sequence[str] | None) -> str:
    labels = _labels(statistics)
    known = statistics.pixels[:, :UNKNOWN].sum(1, keepdims=True)
    share = statistics.pixels / np.maximum(known, 1)
    shown, title = labels, 'Labels: % of the known pixels'
    if len(labels) > _CLASSES_SHOWN:
        spread = np.ptp(share[:, labels], axis=0)
        shown = sorted(labels[i] for i in np.argsort(-spread, kind='stable')[:_CLASSES_SHOWN])
        title += f', the {_CLASSES_SHOWN} of {len(labels)} on which the seeds differ most'
    rows = [['', '', *(str(k + 1) for k in range(statistics.num_seeds))]]
    for label in shown:
        name = classes[label] if classes is not None and label < len(classes) else ''
        rows.append([str(label), name, *(f'{100 * value:.2f}' for value in share[:, label])])
    return f'{title}\n' + _table(rows, left=(1,))


def _labels(statistics: SeedStatistics) -> list[int]:
    return np.flatnonzero(statistics.in_maps[:, :UNKNOWN].any(0)).tolist()


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    return [f'{title} ({len(lines)})\n' + '\n'.join(f'- {line}' for line in lines)] if lines else []


def _table(rows: list[list[str]], left: tuple[int, ...] = ()) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return '\n'.join(
        '  '.join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float('nan')


def _percent(value: float) -> str:
    return '-' if np.isnan(value) else f'{100 * value:.1f}'


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)

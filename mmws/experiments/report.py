"""Tables of results: Markdown, CSV and a plot, with the paper's figures beside them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmws.files.atomic_write import write_atomically

from .cells import Cell, Table

Results = Mapping[str, Sequence[float]]


def mean_and_spread(values: Sequence[float]) -> str:
    """``52.3 ± 0.4``: mean and sample standard deviation; one value alone has no spread."""
    if not values:
        return ''
    if len(values) == 1:
        return f'{values[0]:.1f}'
    return f'{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}'


def single_baselines(table: Table, results: Results) -> dict[str, list[float]]:
    """The best and the mean of the trainings with one seed, repeat by repeat.

    Args:
        table: Its ``singles`` are looked at; only repeats that all of them have count.
        results: mIoU of each config's repeats, in percent.

    Returns:
        ``{'best single seed': [...], 'mean single seed': [...]}``; the best is the seed whose mean
        over the repeats is the highest. Empty where a single is missing.
    """
    singles = [results.get(config, ()) for config in table.singles]
    repeats = min(map(len, singles), default=0)
    if not repeats:
        return {}
    values = np.array([runs[:repeats] for runs in singles])
    best = values.mean(1).argmax()
    return {
        f'best single seed ({table.singles[best]})': list(values[best]),
        f'mean of the {len(singles)} single seeds': list(values.mean(0)),
    }


def markdown(table: Table, results: Results) -> str:
    """The table in Markdown: what was measured, and the paper's figure in brackets.

    Args:
        table: Which cells, in which rows and columns.
        results: mIoU of each config's repeats, in percent; a missing config leaves its cell empty.
    """
    columns = list(dict.fromkeys(cell.column for cell in table.cells))
    rows: dict[str, dict[str, str]] = {}
    for cell in table.cells:
        text = mean_and_spread(results.get(cell.config, ()))
        if cell.paper is not None:
            text = f'{text} [{cell.paper}]'.strip()
        rows.setdefault(cell.row, {})[cell.column] = text
    for name, values in single_baselines(table, results).items():
        rows[name] = {columns[-1]: mean_and_spread(values)}
    lines = [['', *columns], ['---'] + ['---:'] * len(columns)]
    lines += [[row, *(cells.get(column, '') for column in columns)] for row, cells in rows.items()]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def csv_text(table: Table, results: Results, without_crf: Results) -> str:
    """One line a repeat: row, column, config, repeat, mIoU, and the paper's figure.

    Args:
        table: Which cells.
        results: mIoU of each config's repeats, in percent.
        without_crf: The same before the CRF, where the test has one; else equal.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['row', 'column', 'config', 'repeat', 'mIoU', 'mIoU_without_crf', 'paper'])
    named = {cell.config for cell in table.cells}
    singles = [Cell(c, 'single seed', '') for c in table.singles if c not in named]
    for cell in (*table.cells, *singles):
        both = zip(results.get(cell.config, ()), without_crf.get(cell.config, ()), strict=True)
        for repeat, values in enumerate(both):
            writer.writerow([cell.row, cell.column, cell.config, repeat, *values, cell.paper or ''])
    return text.getvalue()


def plot(table: Table, results: Results, title: str) -> bytes:
    """A PNG: each repeat a dot, their mean a bar, the paper's figure a hollow diamond."""
    import matplotlib

    matplotlib.use('Agg', force=False)
    from matplotlib import pyplot

    rows = [
        (f'{cell.row}, {cell.column}', results.get(cell.config, ()), cell.paper)
        for cell in table.cells
    ]
    rows += [(name, values, None) for name, values in single_baselines(table, results).items()]
    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.34 * len(rows)), layout='constrained')
    for at, (_, values, paper) in enumerate(rows):
        if len(values):
            axes.barh(at, np.mean(values), color='#9ec3e6', height=0.7, zorder=1)
            axes.plot(values, [at] * len(values), 'o', color='#1f4e79', markersize=4, zorder=3)
        if paper is not None:
            axes.plot(paper, at, 'D', mfc='none', mec='#c0392b', markersize=7, zorder=2)
    shown = [
        v for _, values, paper in rows for v in (*values, *(() if paper is None else (paper,)))
    ]
    if shown:
        low, high = min(shown), max(shown)
        margin = max(2.0, 0.1 * (high - low))
        axes.set_xlim(max(0.0, math.floor(low - margin)), math.ceil(high + margin))
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel('mIoU (%); the axis does not start at 0')
    axes.set_title(title, loc='left')
    axes.grid(axis='x', color='#dddddd', zorder=0)
    marks = {'here, one run each': dict(marker='o', color='#1f4e79')}
    if any(paper is not None for *_, paper in rows):
        marks['paper (VOC 2012 val)'] = dict(marker='D', mfc='none', mec='#c0392b')
    handles = [
        pyplot.Line2D([], [], linestyle='', label=label, **mark) for label, mark in marks.items()
    ]
    figure.legend(handles=handles, loc='outside lower right', ncols=2, frameon=False)
    png = io.BytesIO()
    figure.savefig(png, format='png', dpi=120)
    pyplot.close(figure)
    return png.getvalue()


def write_report(
    folder: Path,
    name: str,
    table: Table,
    results: Results,
    *,
    without_crf: Results,
    heading: str,
    notes: str,
) -> Path:
    """Writes ``<name>.md``, ``<name>.csv`` and ``<name>.png``; the path of the first.

    Args:
        folder: Where to.
        name: Such as ``table1``.
        table: What to show.
        results: mIoU of each config's repeats, in percent.
        without_crf: The same before the CRF.
        heading: Of the page and the plot.
        notes: Text below the table.
    """
    text = f'# {heading}\n\n{markdown(table, results)}\n{notes}\n\n![{heading}]({name}.png)\n'
    write_atomically(folder / f'{name}.csv', csv_text(table, results, without_crf).encode())
    write_atomically(folder / f'{name}.png', plot(table, results, heading))
    path = folder / f'{name}.md'
    write_atomically(path, text.encode())
    return path

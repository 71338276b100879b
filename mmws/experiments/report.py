"""Tables of results: Markdown, CSV and a plot, with the paper's figures beside them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence

import numpy as np

from .cells import Cell, Table, Training

# What the repeats of each training gave, by its name: ``mIoU`` in percent, ``mIoU_crf`` with a CRF.
Results = Mapping[str, Sequence[Mapping]]


def figures(results: Results, training: Training) -> list[float]:
    """Return the mIoU of a training's repeats, after the CRF where there is one."""
    return [found.get('mIoU_crf', found['mIoU']) for found in results.get(training.name, ())]


def mean_and_spread(values: Sequence[float]) -> str:
    """Write ``52.3 ± 0.4``: mean and sample deviation; one value alone has no spread."""
    if len(values) < 2:
        return f'{values[0]:.1f}' if values else ''
    return f'{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}'


def single_baselines(table: Table, results: Results) -> dict[str, list[float]]:
    """Return the best and the mean of the trainings with one seed, repeat by repeat.

    Returns:
        The best is the seed whose mean over the repeats that all of them have is the highest.
        Empty where a single is missing.
    """
    values = [figures(results, single) for single in table.singles]
    repeats = min(map(len, values), default=0)
    if not repeats:
        return {}
    values = np.array([found[:repeats] for found in values])
    best = values.mean(1).argmax()
    return {
        f'best single seed ({table.singles[best].name})': list(values[best]),
        f'mean of the {len(values)} single seeds': list(values.mean(0)),
    }


def markdown(table: Table, results: Results) -> str:
    """Write the table in Markdown: what was measured, and the paper's figure in brackets."""
    columns = list(dict.fromkeys(cell.column for cell in table.cells))
    rows: dict[str, dict[str, str]] = {}
    for cell in table.cells:
        text = mean_and_spread(figures(results, cell.training))
        if cell.paper is not None:
            text = f'{text} [{cell.paper}]'.strip()
        rows.setdefault(cell.row, {})[cell.column] = text
    for name, values in single_baselines(table, results).items():
        rows[name] = {columns[-1]: mean_and_spread(values)}
    lines = [['', *columns], ['---'] + ['---:'] * len(columns)]
    lines += [[row, *(cells.get(column, '') for column in columns)] for row, cells in rows.items()]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def csv_text(table: Table, results: Results) -> str:
    """Write one line a repeat, with the mIoU before the CRF (where there is none: the same)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['row', 'column', 'config', 'repeat', 'mIoU', 'mIoU_without_crf', 'paper'])
    named = {cell.training for cell in table.cells}
    singles = [Cell(t, 'single seed', '') for t in table.singles if t not in named]
    for cell in (*table.cells, *singles):
        name, after = cell.training.name, figures(results, cell.training)
        for repeat, miou in enumerate(after):
            before = results[name][repeat]['mIoU']
            writer.writerow([cell.row, cell.column, name, repeat, miou, before, cell.paper or ''])
    return text.getvalue()


def plot(table: Table, results: Results, title: str) -> bytes:
    """Draw each repeat as a dot, their mean as a bar, the paper's figure as a diamond (PNG)."""
    from matplotlib.figure import Figure

    rows = [
        (f'{cell.row}, {cell.column}', figures(results, cell.training), cell.paper)
        for cell in table.cells
    ]
    rows += [(name, values, None) for name, values in single_baselines(table, results).items()]
    figure = Figure(figsize=(8, 1.2 + 0.34 * len(rows)), layout='constrained', dpi=120)
    axes = figure.subplots()
    paper_mark = dict(linestyle='', marker='D', mfc='none', mec='#c0392b', markersize=7)
    legend, shown = {}, []
    for at, (_, values, paper) in enumerate(rows):
        if values:
            axes.barh(at, np.mean(values), color='#9ec3e6', height=0.7)
            dots = axes.plot(values, [at] * len(values), 'o', color='#1f4e79', markersize=4)
            legend['here, one run each'] = dots[0]
            shown += values
        if paper is not None:
            legend['paper (VOC 2012 val)'] = axes.plot(paper, at, **paper_mark)[0]
            shown.append(paper)
    if shown:
        margin = max(2.0, 0.1 * (max(shown) - min(shown)))
        axes.set_xlim(max(0, math.floor(min(shown) - margin)), math.ceil(max(shown) + margin))
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel('mIoU (%); the axis does not start at 0')
    axes.set_title(title, loc='left')
    axes.grid(axis='x', color='#dddddd')
    axes.set_axisbelow(True)
    figure.legend(legend.values(), legend, loc='outside lower right', ncols=2, frameon=False)
    png = io.BytesIO()
    figure.savefig(png, format='png')
    return png.getvalue()

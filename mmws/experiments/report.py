"""Tables of results: Markdown, CSV and a plot, with the paper's figures beside them."""

from __future__ import annotations

import csv
import io
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
    """Draw each repeat as a dot, their mean as a line, the paper's figure as a diamond (PNG)."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    drawn: dict[str, dict[str, tuple]] = {}
    for cell in table.cells:
        values = figures(results, cell.training)
        if values or cell.paper is not None:
            drawn.setdefault(cell.row, {})[cell.column] = (values, cell.paper)
    for row, values in single_baselines(table, results).items():
        drawn[row] = {table.cells[-1].column: (values, None)}
    columns = dict.fromkeys(column for cells in drawn.values() for column in cells)
    colours = dict(zip(columns, colormaps['tab10'].colors, strict=False))
    figure = Figure(figsize=(8, 1.4 + 0.18 * sum(map(_lines, drawn.values()))), dpi=120)
    figure.set_layout_engine('constrained')
    axes = figure.subplots()
    top, ticks = 0.0, {}
    for row, cells in drawn.items():
        ticks[top + (len(cells) - 1) / 2] = row
        for at, (column, (values, paper)) in enumerate(cells.items(), start=int(top)):
            colour = colours[column]
            if values:
                axes.vlines(np.mean(values), at - 0.4, at + 0.4, color=colour, linewidth=3)
                axes.plot(values, [at] * len(values), 'o', color=colour, markersize=4, alpha=0.6)
            if paper is not None:
                axes.plot(paper, at, 'D', color=colour, mfc='none', markersize=6)
        top += _lines(cells)
        axes.axhline(top - 1, color='#eeeeee', zorder=0)
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.set_ylim(top - 1, -1)
    axes.set_xlabel('mIoU (%)')
    axes.set_title(title, loc='left')
    axes.grid(axis='x', color='#dddddd')
    axes.set_axisbelow(True)
    handles = [
        axes.plot([], [], '|', color=colour, mew=3, label=column)[0]
        for column, colour in colours.items()
    ]
    if any(cell.paper is not None for cell in table.cells):
        label = 'paper (VOC 2012 val)'
        handles += axes.plot([], [], 'D', color='#555555', mfc='none', label=label)
    figure.legend(handles=handles, loc='outside lower center', ncols=4, frameon=False)
    png = io.BytesIO()
    figure.savefig(png, format='png')
    return png.getvalue()


def _lines(cells: Mapping) -> int:
    """How many lines a row of the plot takes, with one between rows."""
    return len(cells) + 1

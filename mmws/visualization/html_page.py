"""One self-contained HTML page of tables and pictures."""

from __future__ import annotations

import base64
import html
import io
import urllib.parse
from collections.abc import Sequence

import numpy as np
from PIL import Image

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 1180px; margin: 2em auto;
       padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.2em; margin-top: 2.2em; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .3em .8em; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
tr.strong td { font-weight: 600; }
img { max-width: 100%; height: auto; display: block; margin: 1em 0; }
p { max-width: 48em; }
pre { font-size: .85em; overflow-x: auto; background: #f6f6f6; padding: 1em; }
"""


class HTMLPage:
    """Collect sections; the page needs no network, and no file but those that it names."""

    def __init__(self, title: str):
        self._title = html.escape(title)
        self._parts: list[str] = []

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append(f'<h2>{html.escape(text)}</h2>')

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f'<p>{html.escape(text)}</p>')

    def code(self, text: str) -> None:
        """Add lines as they are."""
        self._parts.append(f'<pre>{html.escape(text)}</pre>')

    def table(
        self, header: Sequence[str], rows: Sequence[Sequence[str]], strong: Sequence[int] = ()
    ) -> None:
        """Add a table; the rows with the numbers ``strong`` stand out."""
        lines = [_row('<tr>', 'th', header)]
        for number, row in enumerate(rows):
            lines.append(_row('<tr class="strong">' if number in strong else '<tr>', 'td', row))
        self._parts.append('<table>\n' + '\n'.join(lines) + '\n</table>')

    def picture(self, image: np.ndarray | str, description: str) -> None:
        """Add a picture, (H, W, 3) uint8, RGB, or the name of a file beside the page.

        The first becomes part of the page. The description is for those who do not see it.
        """
        if isinstance(image, str):
            source = urllib.parse.quote(image)
        else:
            png = io.BytesIO()
            Image.fromarray(image).save(png, format='PNG', optimize=True)
            source = f'data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}'
        self._parts.append(f'<img loading="lazy" alt="{html.escape(description)}" src="{source}">')

    def render(self) -> str:
        """Give the page."""
        body = '\n'.join(self._parts)
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<title>{self._title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n'
            f'<h1>{self._title}</h1>\n{body}\n</body>\n</html>\n'
        )


def _row(start: str, tag: str, cells: Sequence[str]) -> str:
    return start + ''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells) + '</tr>'

import io

import pytest

from mmws.files import progress_bar
from mmws.files.progress_bar import ProgressBar


@pytest.mark.parametrize(('terminal', 'states'), [(True, 101), (False, 5)])
def test_a_terminal_sees_every_state_and_a_log_file_a_line_now_and_then(
    monkeypatch, terminal, states
):
    now = [100.0]
    monkeypatch.setattr(progress_bar.time, 'monotonic', lambda: now[0])
    file = io.StringIO()
    file.isatty = lambda: terminal
    bar = ProgressBar(100, file=file)
    for _ in range(100):
        now[0] += 1
        bar.advance()
    bar.close()
    text = file.getvalue()
    assert text.count('/100, ') == states and '] 100/100, ' in text.splitlines()[-1]
    assert bar.completed == 100

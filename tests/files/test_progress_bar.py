import io
import re

import pytest

from mmws.files import progress_bar
from mmws.files.progress_bar import ProgressBar


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress_bar.time, 'monotonic', lambda: now[0])
    return now


def test_tells_rate_and_time_left(clock):
    bar = ProgressBar(2400, file=io.StringIO())
    clock[0] += 100
    bar.advance(400)
    assert str(bar).endswith('400/2400  4 images/s, 8 min left')
    assert re.match(r'\[####  {18}  \]|\[####', str(bar))
    clock[0] += 500
    bar.advance(2000)
    assert str(bar).endswith('2400/2400  4 images/s, took 10 min')


def test_a_log_file_gets_a_line_now_and_then(clock):
    file = io.StringIO()
    bar = ProgressBar(100, file=file)
    for _ in range(100):
        clock[0] += 1
        bar.advance()
    bar.close()
    assert 3 <= len(file.getvalue().splitlines()) <= 5
    assert '\r' not in file.getvalue()


def test_durations():
    assert [progress_bar._duration(s) for s in (5, 600, 7200)] == ['5 s', '10 min', '2.0 h']


def test_nothing_to_do_prints_nothing():
    file = io.StringIO()
    ProgressBar(0, file=file).close()
    assert file.getvalue() == ''

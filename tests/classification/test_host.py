"""Stage one without mmpretrain."""

import importlib
import sys

import pytest

import mmws.classification.host as host


def test_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmpretrain', None)
    with pytest.raises(ImportError, match=r'needs mmpretrain 1.2.* pip install "mmws\[cam\]"'):
        importlib.reload(host)

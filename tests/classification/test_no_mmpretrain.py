"""Stage one without mmpretrain."""

import importlib
import sys

import pytest

from mmws import classification


def test_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmpretrain', None)
    with pytest.raises(ImportError, match=r'needs mmpretrain 1.2.* pip install "mmws\[cam\]"'):
        importlib.reload(classification)

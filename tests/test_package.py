"""The package imports, names its version, and checks its hosts."""

import pytest

import mmws
from mmws import compat


def test_version_is_a_release_number():
    assert all(part.isdigit() for part in mmws.__version__.split('.'))


def test_a_host_outside_the_range_is_refused(monkeypatch):
    import mmengine

    monkeypatch.setattr(mmengine, '__version__', '0.9.0')
    with pytest.raises(ImportError, match=r'needs mmengine >=0\.10\.4, <0\.11; found 0\.9\.0'):
        compat._check_hosts()

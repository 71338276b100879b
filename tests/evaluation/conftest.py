import numpy as np
import pytest

from mmws.files.label_map import encode_label_map


@pytest.fixture
def save(tmp_path):
    """Write a label map; give its path."""

    def write(labels, name):
        path = tmp_path / name
        path.write_bytes(encode_label_map(np.asarray(labels, np.uint8)))
        return str(path)

    return write

import io

import numpy as np
import pytest
from PIL import Image

from mmws.files.image_file import BadInputError, read_image
from mmws.files.label_map import read_label_map


def saved(save, *args, **options):
    stream = io.BytesIO()
    save(stream, *args, **options)
    return stream.getvalue()


PICTURE = saved(Image.effect_noise((60, 40), 50).save, 'PNG')
FAULTS = {
    b'': 'is an empty file',
    b'version https://git-lfs.github.com/spec/v1\noid sha256:00\n': 'pointer that git-lfs.*pull',
    b'\n<!DOCTYPE html><title>404</title>': 'is an HTML page',
    saved(np.save, np.zeros(3)): r'is a NumPy array \(\.npy\)',
    saved(np.savez, np.zeros(3)): r'is a zip archive',
    b'MATLAB 5.0 MAT-file': 'is a MATLAB file',
    bytes(600): 'begins with zeros only',
    b'anything': 'is no image, or is damaged or cut off near its start',
    PICTURE[:900]: r'is damaged or cut off \(.+\)',
}


@pytest.mark.parametrize('content', FAULTS)
@pytest.mark.parametrize(
    ('read', 'error'), [(read_label_map, ValueError), (read_image, BadInputError)]
)
def test_the_file_and_the_cause_are_named(tmp_path, content, read, error):
    (tmp_path / 'x.png').write_bytes(content)
    with pytest.raises(error, match=rf'x\.png .*{FAULTS[content]}') as refusal:
        read(tmp_path / 'x.png')
    assert 'BytesIO' not in str(refusal.value) and 'OpenCV' not in str(refusal.value)

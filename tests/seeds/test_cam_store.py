import numpy as np
import pytest

from mmws.seeds.cam_store import ImageCAMs, read_cams


def test_round_trip(tmp_path):
    rng = np.random.default_rng(0)
    maps = {1.0: rng.random((2, 5, 6)), 0.75: rng.random((2, 4, 5))}
    maps = {scale: cam.astype(np.float16) for scale, cam in maps.items()}
    cams = ImageCAMs((3, 19), maps)
    assert cams.encode() == cams.encode()
    path = tmp_path / 'a.npz'
    path.write_bytes(cams.encode())
    found = read_cams(path)
    assert found.class_ids == (3, 19) and list(found.maps) == [1.0, 0.75]
    for scale, cam in maps.items():
        np.testing.assert_array_equal(found.maps[scale], cam)
        assert found.maps[scale].dtype == np.float16


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / 'a.npz'
    content = ImageCAMs((3,), {1.0: np.ones((1, 2, 2), np.float16)}).encode()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match='a.npz is not a file of CAMs'):
        read_cams(path)
    path.write_bytes(b'')
    with pytest.raises(ValueError, match='a.npz is an empty file'):
        read_cams(path)


@pytest.mark.parametrize(
    'cam', [np.full((1, 2, 2), np.nan), np.full((1, 2, 2), 1.5), np.ones((2, 2, 2))]
)
def test_what_are_no_cams_is_named(tmp_path, cam):
    path = tmp_path / 'a.npz'
    path.write_bytes(ImageCAMs((3,), {0.5: cam.astype(np.float16)}).encode())
    with pytest.raises(
        ValueError, match=r'a.npz: the CAMs of scale 0.5 are not one map in \[0, 1\]'
    ):
        read_cams(path)

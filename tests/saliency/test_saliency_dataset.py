import numpy as np
import pytest
from PIL import Image

from mmws.saliency import SaliencyDataset


def save(path, size=(6, 4), value=200):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, value, np.uint8)).save(path)


def paths(dataset):
    return [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]


def build(root, image='image', mask='mask', **kwargs):
    return SaliencyDataset(
        data_root=str(root),
        data_prefix=dict(img_path=image) | ({} if mask is None else dict(seg_map_path=mask)),
        pipeline=[],
        **kwargs,
    )


def test_two_folders_with_any_suffix(tmp_path):
    for name in ('b.jpg', 'a.JPG', 'c.png'):
        save(tmp_path / 'image' / name)
    for name in ('a', 'b', 'c', 'unused'):
        save(tmp_path / 'mask' / f'{name}.png')
    dataset = build(tmp_path)
    assert paths(dataset) == [f'{tmp_path}/image/{name}' for name in ('a.JPG', 'b.jpg', 'c.png')]
    info = dataset.get_data_info(0)
    assert info['seg_map_path'] == str(tmp_path / 'mask/a.png')
    assert dataset.metainfo['classes'] == ('background', 'salient')


def test_one_folder_with_images_and_masks(tmp_path):
    for name in ('0_1.jpg', '0_1.png', '0_2.jpg', '0_2.png'):
        save(tmp_path / name)
    dataset = build(tmp_path, '', '')
    assert paths(dataset) == [f'{tmp_path}/0_{number}.jpg' for number in (1, 2)]
    assert dataset.get_data_info(1)['seg_map_path'].endswith('0_2.png')


def test_list_chooses_and_orders(tmp_path):
    for name in ('a', 'x.1', 'c'):
        save(tmp_path / f'image/{name}.jpg')
        save(tmp_path / f'mask/{name}.png')
    (tmp_path / 'list.txt').write_text('x.1\na.jpg\n')
    dataset = build(tmp_path, ann_file='list.txt')
    assert paths(dataset) == [f'{tmp_path}/image/x.1.jpg', f'{tmp_path}/image/a.jpg']


def test_what_is_missing_is_named(tmp_path):
    for name in ('a', 'b', 'c'):
        save(tmp_path / f'image/{name}.jpg')
    save(tmp_path / 'mask/a.png')
    with pytest.raises(FileNotFoundError, match=r'2 of 3 images have no mask, .*mask/b.png'):
        build(tmp_path)
    with pytest.raises(FileNotFoundError, match='there is no folder .*elsewhere'):
        build(tmp_path, image='elsewhere')
    (tmp_path / 'list.txt').write_text('a\nz\n')
    with pytest.raises(
        FileNotFoundError, match='1 of 2 images of .*list.txt are not in .*image, the first: z'
    ):
        build(tmp_path, ann_file='list.txt')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='empty holds no image'):
        build(tmp_path, image='empty', mask=None)

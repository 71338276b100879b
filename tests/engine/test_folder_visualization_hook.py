from types import SimpleNamespace

import numpy as np
import torch
from mmengine.registry import HOOKS, init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer
from PIL import Image

import mmws  # noqa: F401


def test_pictures_of_images_of_the_same_name_stay_apart(tmp_path):
    init_default_scope('mmseg')
    visualizer = SegLocalVisualizer.get_instance('painted', save_dir=str(tmp_path / 'log'))
    visualizer.dataset_meta = dict(classes=['rest', 'cat'], palette=[[0, 0, 0], [255, 0, 0]])
    samples = []
    for folder, label in (('a', 0), ('b', 1)):
        path = tmp_path / 'images' / folder / '1.png'
        path.parent.mkdir(parents=True)
        Image.fromarray(np.full((8, 9, 3), 90, np.uint8)).save(path)
        sample = SegDataSample(metainfo=dict(img_path=str(path)))
        sample.pred_sem_seg = PixelData(data=torch.full((1, 8, 9), label))
        samples.append(sample)
    hook = HOOKS.build(
        dict(
            type='mmseg.FolderVisualizationHook',
            draw=True,
            interval=1,
            out_dir=str(tmp_path / 'out'),
            image_dirs=[str(tmp_path / 'images')],
        )
    )
    hook._after_iter(SimpleNamespace(iter=0), 0, {}, samples, mode='test')
    reds = [np.asarray(Image.open(tmp_path / f'out/{f}/1.png'))[..., 0].mean() for f in 'ab']
    assert reds[1] > reds[0] + 50

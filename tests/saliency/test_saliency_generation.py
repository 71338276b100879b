import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.models import SegDataPreProcessor
from PIL import Image

from mmws.saliency.predictor import Predictor
from mmws.saliency.saliency_generation import SaliencyGeneration, find_all_images, write_map
from mmws.seeds.crf import CRFOptions, crf_probabilities

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadSaliencyMask'),
    dict(type='PackSegInputs'),
]


@pytest.fixture
def model(build_dss):
    model = build_dss()
    model.data_preprocessor = SegDataPreProcessor(
        mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=True, size_divisor=1
    )
    return model


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / 'images/sub').mkdir(parents=True)
    for index, size in enumerate([(30, 41), (33, 20), (24, 24), (40, 31), (21, 50)]):
        name = f'sub/p{index}.jpg' if index == 3 else f'p{index}.jpg'
        Image.fromarray(rng.integers(0, 255, (*size, 3), np.uint8)).save(tmp_path / 'images' / name)
    return find_all_images(tmp_path / 'images').images


def generate(images, out, model, **options):
    predict = Predictor(model, PIPELINE)
    recipe = dict(predict.recipe, model='tiny')
    generation = SaliencyGeneration(images, out, predict=predict, recipe=recipe, **options)
    generation.prepare()
    return generation.run()


def maps(out):
    return {
        str(path.relative_to(out))[:-4]: np.asarray(Image.open(path)) for path in out.rglob('*.png')
    }


def test_every_image_gets_a_map_of_its_size(images, tmp_path, model):
    report = generate(images, tmp_path / 'out', model)
    assert (report.made, report.kept, report.failed, report.missing) == (5, 0, {}, 0)
    written = maps(tmp_path / 'out')
    assert written.keys() == images.keys() == {'p0', 'p1', 'p2', 'p4', 'sub/p3'}
    for image_id, saliency in written.items():
        assert saliency.dtype == np.uint8
        assert saliency.shape == Image.open(images[image_id]).size[::-1]
        assert (saliency.min(), saliency.max()) == (0, 255)
    manifest = json.loads((tmp_path / 'out/saliency.json').read_text())
    assert manifest['num_images'] == 5 and manifest['recipe']['model'] == 'tiny'


def test_map_is_what_the_model_predicts(images, tmp_path, model):
    generate(images, tmp_path / 'out', model)
    rgb = np.asarray(Image.open(images['p1'])).astype(np.float32)
    inputs = torch.from_numpy((rgb - 120) / 60).permute(2, 0, 1)[None]
    with torch.no_grad():
        (sample,) = model(inputs, mode='predict')
    expected = sample.pred_saliency.data[0].numpy() * 255
    # JPEG decoders differ by a level or two.
    assert np.abs(maps(tmp_path / 'out')['p1'] - expected).mean() < 3


def test_unreadable_images_do_not_stop_the_others(images, tmp_path, model):
    Path(images['p1']).write_bytes(b'broken')
    report = generate(images, tmp_path / 'out', model)
    assert (report.made, report.missing) == (4, 1)
    assert list(report.failed) == ['p1'] and 'p1.jpg' in report.failed['p1']
    Image.new('RGB', (9, 9)).save(images['p1'])
    report = generate(images, tmp_path / 'out', model)
    assert (report.made, report.kept, report.missing) == (1, 4, 0)


def test_an_image_that_the_memory_of_the_gpu_is_too_small_for(images, tmp_path, model):
    def fail(_, inputs):
        if inputs[0].shape[2:] == (33, 20):
            raise torch.cuda.OutOfMemoryError('CUDA out of memory.')

    model.backbone.register_forward_pre_hook(fail)
    report = generate(images, tmp_path / 'out', model)
    assert list(report.failed) == ['p1'] and report.made == 4
    assert r'(20 x 33 pixels) does not fit into the memory of the GPU' in report.failed['p1']


def test_large_images_are_shrunk_for_the_network_only(model):
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    saliency = Predictor(model, PIPELINE, longest=40)(image)
    assert seen == [(1, 3, 30, 40)]
    assert saliency.shape == (60, 80) and saliency.dtype == np.float32
    # Stretched after it has been enlarged.
    assert (saliency.min(), saliency.max()) == (0, 1)


def test_maps_without_contrast_are_reported(images, tmp_path, model):
    for parameter in model.parameters():
        parameter.data.zero_()
    assert generate(images, tmp_path / 'out', model, limit=2).noted == ['p0', 'p1']
    assert generate(images, tmp_path / 'out', model).noted == ['p2', 'p4', 'sub/p3']


@pytest.mark.slow
def test_crf_in_worker_processes(images, tmp_path, model):
    crf = dict(iterations=2)
    here, there = (
        generate(images, tmp_path / f'out{workers}', model, crf=crf, workers=workers, limit=2)
        for workers in (0, 1)
    )
    assert here.made == there.made == 2
    one, other = maps(tmp_path / 'out0'), maps(tmp_path / 'out1')
    assert one.keys() == other.keys() and all((one[i] == other[i]).all() for i in one)
    generate(images, tmp_path / 'plain', model, limit=2)
    assert any((one[i] != m).any() for i, m in maps(tmp_path / 'plain').items())


def test_mistakes_are_named(images, tmp_path, model):
    with pytest.raises(ValueError, match="the CRF has no 'iteration'; it knows iterations, bi"):
        generate(images, tmp_path / 'out', model, crf=dict(iteration=5))
    assert not (tmp_path / 'out').exists()
    listed = tmp_path / 'list.txt'
    listed.write_text('p0\nq\n')
    with pytest.raises(FileNotFoundError, match='1 of 2 images of .* are not in .*, the first: q'):
        find_all_images(tmp_path / 'images', listed=listed)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'empty/a.gif').write_bytes(b'GIF')
    with pytest.raises(ValueError, match='there is no image in .*empty: 1 files, of which none'):
        find_all_images(tmp_path / 'empty')


def test_output_inside_the_images_is_not_read_as_images(images, tmp_path, model):
    folder, out = tmp_path / 'images', tmp_path / 'images/sub/maps'
    for made in (5, 0):
        found = find_all_images(folder, out=out).images
        assert found == images
        assert generate(found, out, model).made == made
    # Elsewhere they are images like any others.
    assert len(find_all_images(folder).images) == 10


def test_output_may_not_be_where_the_images_are(images, tmp_path):
    (tmp_path / 'link').symlink_to(tmp_path / 'images')
    for out, relation in (
        ('images', 'is'),
        ('link', 'is'),
        ('.', 'holds'),
        ('images/../', 'holds'),
    ):
        with pytest.raises(ValueError, match=rf'output folder .* {relation} the folder of the im'):
            find_all_images(tmp_path / 'images', out=tmp_path / out)


def test_crf_options_are_all_in_the_recipe(images, tmp_path, model):
    generate(images, tmp_path / 'out', model, crf=dict(iterations=2), workers=0, limit=1)
    recipe = json.loads((tmp_path / 'out/saliency.json').read_text())['recipe']
    assert recipe['crf'] == vars(CRFOptions(iterations=2))
    # The defaults, said aloud, are the same recipe.
    crf = dict(iterations=2, gaussian_sxy=3)
    assert generate(images, tmp_path / 'out', model, crf=crf, workers=0, limit=1).kept == 1


def test_maps_are_written_without_and_with_crf(tmp_path):
    image = np.full((24, 40, 3), (30, 60, 200), np.uint8)
    image[:12, :20] = (200, 40, 40)
    saliency = np.full((24, 40), 0.2, np.float32)
    saliency[2:11, 2:17] = 0.9  # most of one quarter
    assert not write_map(saliency, tmp_path / 'sub/plain.png')
    write_map(saliency, tmp_path / 'sub/crf.png', image, dict(iterations=5))
    written = maps(tmp_path / 'sub')
    assert (written['plain'] == np.rint(saliency * 255)).all()
    scores = np.stack([1 - saliency, saliency])[None]
    expected = crf_probabilities(image, scores, iterations=5)[0, 1]
    assert (written['crf'] == np.rint(expected * 255)).all()
    # The quarter is one colour: the CRF fills it, and leaves the others.
    assert written['crf'][:11, :18].min() > 128 > written['crf'][13:].max()
    assert write_map(np.zeros((2, 2), np.float32), tmp_path / 'flat.png')

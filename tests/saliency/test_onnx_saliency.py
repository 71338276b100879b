"""Saliency by ONNX files, with networks of a few nodes made here."""

import numpy as np
import pytest
from PIL import Image

onnx = pytest.importorskip('onnx', reason='makes ONNX files: the extra `onnx` brings the package')
onnxruntime = pytest.importorskip('onnxruntime', reason='the extra `onnx` brings the package')

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from mmws.saliency.onnx_saliency import ONNXSaliency  # noqa: E402

SIZE = 8
IMAGE = np.zeros((4, 6, 3), np.uint8)
IMAGE[:, 3:] = 200


def network(path, *, weights=((1, 0, 0),), bias=0.0, end='Sigmoid', size=SIZE, shape=None):
    """Write a network that weighs the three channels, one row a map; then `end`, if any."""
    constants, nodes = [], [helper.make_node('Identity', ['x'], ['y'])]
    if weights is not None:
        nodes = [helper.make_node('Conv', ['x', 'w', 'b'], ['y'])]
        kernel = np.float32(weights).reshape(len(weights), 3, 1, 1)
        bias = np.full(len(weights), bias, np.float32)
        constants = [numpy_helper.from_array(kernel, 'w'), numpy_helper.from_array(bias, 'b')]
    if end:
        nodes.append(helper.make_node(end, ['y'], ['z']))
    graph = helper.make_graph(
        nodes,
        'network',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, shape or (1, 3, size, size))],
        [helper.make_tensor_value_info('z' if end else 'y', TensorProto.FLOAT, None)],
        constants,
    )
    opset = [helper.make_opsetid('', 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def test_the_map_is_the_network_s_stretched_and_of_the_image_s_size(tmp_path):
    saliency = ONNXSaliency(network(tmp_path / 'red.onnx'))(IMAGE)
    assert saliency.shape == (4, 6) and saliency.dtype == np.float32
    assert saliency[:, :2].max() < 0.05 and saliency[:, 4:].min() > 0.9
    assert (np.diff(saliency, axis=1) >= -0.05).all()


def test_pixels_are_divided_by_the_highest_and_normalised(tmp_path):
    net = ONNXSaliency(
        network(tmp_path / 'red.onnx', weights=((0, 0, 1),)),
        mean=(0.1, 0.2, 0.5),
        std=(1, 1, 0.25),
        min_max=False,
    )
    # Divided by the highest value, 80, the third channel is 0.5 or 1, normalised 0 or 2.
    for value, expected in ((40, 0.5), (80, 1 / (1 + np.exp(-2)))):
        flat = np.broadcast_to(np.uint8([80, 10, value]), (5, 5, 3))
        np.testing.assert_allclose(net(flat), expected, atol=1e-6)


def test_a_black_image_and_an_open_size(tmp_path):
    path = network(tmp_path / 'open.onnx', shape=('n', 3, 'h', 'w'))
    net = ONNXSaliency(path)
    assert net.size == (320, 320)
    assert (net(np.zeros((3, 5, 3), np.uint8)) == 0).all()


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(weights=((1, 0, 0), (0, 1, 0))), r'first output has the shape \(1, 2, 8, 8\)'),
        (dict(end=None, bias=9), r'lies in \[9, 9\]; expected \[0, 1\], from a sigmoid'),
        (dict(bias=float('nan')), r'lies in \[nan, nan\]'),
        (dict(end='GlobalAveragePool'), r'first output has the shape \(1, 1, 1, 1\)'),
        (dict(weights=None, shape=(1, 4)), r'has the inputs x \[1, 4\]; expected one image'),
    ],
)
def test_what_is_no_saliency_network_is_refused_when_it_is_opened(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        ONNXSaliency(network(tmp_path / 'other.onnx', **options))


def test_an_output_that_leaves_the_range_later_names_the_image(tmp_path):
    net = ONNXSaliency(network(tmp_path / 'linear.onnx', weights=((9, 0, 0),), end=None))
    with pytest.raises(ValueError, match=r'its output for cat.jpg lies in'):
        net(IMAGE, 'cat.jpg')


def test_files_that_are_no_networks(tmp_path):
    with pytest.raises(FileNotFoundError, match='no ONNX file'):
        ONNXSaliency(tmp_path / 'none.onnx')
    (tmp_path / 'text.onnx').write_text('not a network')
    with pytest.raises(ValueError, match=r'text.onnx is not an ONNX file that onnxruntime can run'):
        ONNXSaliency(tmp_path / 'text.onnx')


@pytest.mark.skipif(
    'CUDAExecutionProvider' in onnxruntime.get_available_providers(), reason='it has CUDA here'
)
def test_a_gpu_that_onnxruntime_cannot_use(tmp_path):
    with pytest.raises(RuntimeError, match='onnxruntime cannot use cuda:1'):
        ONNXSaliency(network(tmp_path / 'red.onnx'), device='cuda:1')


def test_the_recipe_tells_networks_and_their_use_apart(tmp_path):
    red, blue = (
        network(tmp_path / name, weights=(weights,))
        for name, weights in (('red.onnx', (1, 0, 0)), ('blue.onnx', (0, 0, 1)))
    )
    recipes = [
        ONNXSaliency(red).recipe,
        ONNXSaliency(blue).recipe,
        ONNXSaliency(red, mean=(0.5, 0.5, 0.5)).recipe,
        ONNXSaliency(red, min_max=False).recipe,
    ]
    assert all(a != b for i, a in enumerate(recipes) for b in recipes[:i])
    assert ONNXSaliency(red).recipe == recipes[0]


@pytest.fixture
def run(tool, tmp_path):
    """Run the tool on two images, one of them grey, with a network that looks for red."""
    (tmp_path / 'images').mkdir()
    Image.fromarray(IMAGE).save(tmp_path / 'images/a.png')
    Image.fromarray(IMAGE[..., 0]).save(tmp_path / 'images/b.png')
    network(tmp_path / 'red.onnx')

    def start(*options):
        paths = ('--onnx', 'red.onnx', 'images', '--out', 'maps')
        return tool('generate_saliency.py', *paths, *options, cwd=tmp_path)

    return start


def test_the_tool_writes_8_bit_maps_and_goes_on(run, tmp_path):
    first = run('--limit', 1)
    assert first.returncode == 0 and '1 images made' in first.stdout, first.stderr
    second = run('--mean', '.485', '.456', '.406')  # the default, so the same recipe
    assert '1 images made' in second.stdout, second.stderr
    for name in 'ab':
        with Image.open(tmp_path / f'maps/{name}.png') as saliency:
            assert saliency.mode == 'L' and saliency.size == (6, 4)
            assert np.asarray(saliency)[0, 0] < 15 and np.asarray(saliency)[0, -1] > 240
    other = run('--mean', '.5', '.5', '.5')
    assert other.returncode != 0 and 'made by another recipe' in other.stderr


@pytest.mark.parametrize(
    'options, message',
    [
        (['dss.py', 'dss.pth'], 'give CONFIG CHECKPOINT and the images, or --onnx FILE'),
        (['--max-size', 100], '--max-size is for DSS, not for --onnx'),
    ],
)
def test_options_of_the_other_network_are_refused(run, options, message):
    done = run(*options)
    assert done.returncode == 2 and message in done.stderr

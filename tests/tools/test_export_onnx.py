import pytest

pytest.importorskip('onnx', reason='the extra `onnx` is not installed')
pytest.importorskip('onnxruntime', reason='the extra `onnx` is not installed')


@pytest.fixture
def run(tool, tiny_config_file, tiny_checkpoint, tmp_path):
    """Export the newest checkpoint of a work directory."""
    (tmp_path / 'last_checkpoint').write_text(str(tiny_checkpoint))
    options = (tiny_config_file, tmp_path, '--out', 'model.onnx', '--size', 32, 48)
    return lambda *more: tool('export_onnx.py', *options, *more, cwd=tmp_path)


def test_exports_and_compares(run, tmp_path):
    done = run()
    assert done.returncode == 0, done.stderr[-3000:]
    assert '2 x 3 x 32 x 48: largest difference' in done.stdout
    assert '1 x 3 x 96 x 67: largest difference' in done.stdout
    assert done.stdout.endswith('model.onnx agrees with the model\n')
    assert (tmp_path / 'model.onnx').is_file()


def test_refuses_a_difference(run):
    done = run('--tolerance', -1)
    assert done.returncode == 1 and 'more than the tolerance' in done.stderr

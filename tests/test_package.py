"""The package imports, names its version, checks its hosts, and is laid out as mim wants it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
METAFILES = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
CONFIGS = {
    str(path.relative_to(ROOT))
    for folder in ('cam', 'msws', 'saliency')
    for path in (ROOT / 'configs' / folder).glob('*.py')
}
LENGTHS = {'max_epochs': 'Epochs', 'max_iters': 'Iterations'}


def metafile_models() -> list[tuple[dict, list[dict]]]:
    """Each model of the metafiles, with the collections of its file."""
    contents = [yaml.safe_load((ROOT / metafile).read_text()) for metafile in METAFILES]
    return [(model, content['Collections']) for content in contents for model in content['Models']]


def test_metafiles_name_every_config_and_nothing_else():
    models = [model for model, _ in metafile_models()]
    assert sorted(model['Config'] for model in models) == sorted(CONFIGS)
    for model in models:
        assert model['Name'] == Path(model['Config']).stem


def test_metafiles_say_what_the_configs_say():
    for model, collections in metafile_models():
        cfg = Config.fromfile(ROOT / model['Config'])
        about = model['Metadata']
        (collection,) = (one for one in collections if one['Name'] == model['In Collection'])
        assert (ROOT / collection['README']).is_file() and collection['Paper']['Title']
        assert about['Batch Size'] == cfg.train_dataloader.batch_size
        length = {k: about[name] for k, name in LENGTHS.items() if name in about}
        assert length == {k: cfg.train_cfg[k] for k in LENGTHS if k in cfg.train_cfg}
        backbone = cfg.model.backbone.type
        depth = cfg.model.backbone.get('depth', '')
        network = backbone.removeprefix('DSS').removesuffix('LargeFOV') + str(depth)
        assert about['Architecture'][0].removeprefix('Small ') == network
        assert 'Results' not in model, 'no number stands here that was not measured here'


@pytest.fixture(scope='module')
def installed(tmp_path_factory) -> Path:
    """A folder that `pip install --target` has put mmws into, from a wheel of this checkout."""
    pytest.importorskip('wheel', reason='builds a wheel: the extra `test` brings the package')
    source = tmp_path_factory.mktemp('source')
    for part in (
        'setup.py',
        'pyproject.toml',
        'README.md',
        'LICENSE',
        'model-index.yml',
        'mmws_cli.py',
    ):
        shutil.copy(ROOT / part, source)
    for part in ('mmws', 'configs', 'tools'):
        ignored = shutil.ignore_patterns('__pycache__', '.mim')
        shutil.copytree(ROOT / part, source / part, ignore=ignored)
    pip = [sys.executable, '-m', 'pip', '--quiet', '--disable-pip-version-check']
    wheels, target = source / 'wheels', source / 'site'
    subprocess.run(
        [*pip, 'wheel', '--no-deps', '--no-build-isolation', '-w', wheels, source], check=True
    )
    (wheel,) = wheels.glob('mmws-*.whl')
    subprocess.run([*pip, 'install', '--no-deps', '--target', target, wheel], check=True)
    return target


def test_the_wheel_has_what_mim_looks_for(installed):
    mim = installed / 'mmws/.mim'
    assert (mim / 'model-index.yml').read_bytes() == (ROOT / 'model-index.yml').read_bytes()
    for folder, pattern in (('configs', '*.py'), ('configs', '*.yml'), ('tools', '*.py')):
        there = {path.relative_to(mim) for path in (mim / folder).rglob(pattern)}
        assert there == {path.relative_to(ROOT) for path in (ROOT / folder).rglob(pattern)}
    # The commands that `mim train` and `mim test` run.
    assert {'train.py', 'test.py'} <= {path.name for path in (mim / 'tools').iterdir()}


def run_installed(installed, tmp_path, *command):
    """Runs Python in a folder with the installed mmws, not the checkout, on its path."""
    return subprocess.run(
        [sys.executable, '-W', 'ignore', *command],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(installed)},
        capture_output=True,
        text=True,
    )


def test_the_command_runs_from_the_wheel(installed, tmp_path):
    done = run_installed(installed, tmp_path, installed / 'bin/mmws', 'check', '.', 'nowhere')
    assert done.returncode == 1 and 'seed folder nowhere does not exist' in done.stderr


def test_configs_inherit_from_an_installed_mmws(installed, tmp_path):
    """Those of docs/openmmlab.md, and one whose base is in no metafile."""
    pytest.importorskip('pkg_resources', reason='mmengine looks for packages with it')
    page = (ROOT / 'docs/openmmlab.md').read_text()
    inherit, rebuild = re.findall(r"```python\n(_base_ = 'mmws::.*?)```", page, re.DOTALL)
    (tmp_path / 'inherit.py').write_text(inherit)
    (tmp_path / 'rebuild.py').write_text(rebuild)
    (tmp_path / 'no_metafile.py').write_text("_base_ = 'mmws::shapes/vgg16_cam.py'\n")
    script = (
        'import mmws\n'
        'from mmengine.config import Config\n'
        'from mmengine.registry import DATASETS, init_default_scope\n'
        'print(mmws.__file__)\n'
        "print(Config.fromfile('no_metafile.py').model.type)\n"
        "init_default_scope('mmseg')\n"
        "for name in ('inherit', 'rebuild'):\n"
        "    cfg = Config.fromfile(f'{name}.py')\n"
        '    dataset = cfg.train_dataloader.dataset\n'
        '    print(cfg.model.type, cfg.model.base, dataset.type, len(dataset.seed_dirs))\n'
        '    dataset.dataset.lazy_init = True\n'
        '    inner = DATASETS.build(dict(dataset.dataset))\n'
        '    print(type(inner).__name__)\n'
    )
    voc = tmp_path / 'data/VOCdevkit/VOC2012'
    (voc / 'JPEGImages').mkdir(parents=True)
    (voc / 'ImageSets/Segmentation').mkdir(parents=True)
    (voc / 'ImageSets/Segmentation/train_aug.txt').touch()
    done = run_installed(installed, tmp_path, '-c', script)
    assert done.returncode == 0, done.stderr[-3000:]
    built = 'mmws.MultiSeedSegmentor EncoderDecoder mmws.MultiSeedDataset 2'
    assert done.stdout.splitlines()[-6:] == [  # OneDL's packages print lines of their own
        str(installed / 'mmws/__init__.py'),
        'ImageClassifier',
        *[built, 'PascalVOCDataset'] * 2,
    ]


@pytest.mark.slow
def test_mim_trains_and_tests(installed, tiny_config_file, tmp_path):
    pytest.importorskip('pkg_resources', reason='mim looks for packages with it')
    if importlib.util.find_spec('mim') is None:
        pytest.skip('openmim is not installed')
    common = [tiny_config_file.name, '--work-dir', 'work']
    shutil.copy(tiny_config_file, tmp_path)
    for command in (['train', 'mmws', *common], ['test', 'mmws', *common]):
        if command[0] == 'test':
            command += ['--checkpoint', 'work/epoch_2.pth']
        done = run_installed(installed, tmp_path, '-m', 'mim', *command)
        assert done.returncode == 0, done.stderr[-3000:]
        assert f'{installed}/mmws/.mim/tools/{command[0]}.py' in done.stdout
        assert 'finished successfully' in done.stdout

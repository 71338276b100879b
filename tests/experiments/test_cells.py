from pathlib import Path

import pytest
from mmengine.config import Config

from mmws.experiments.cells import TABLES

ROOT = Path(__file__).resolve().parents[2] / 'configs' / 'tables'
NAMES = {
    kind: sorted({c for t in TABLES.values() if t.data in (None, kind) for c in t.configs()})
    for kind in ('voc12', 'shapes')
}
WORDS = dict(threshold=['threshold'], crf=['crf'], both=['threshold', 'crf'])


def expected_seeds(name):
    """The seed folders that a cell's name stands for."""
    if name.endswith('gt'):
        return []
    kind = name.removeprefix('scratch_').removeprefix('r101_')
    for ending in ('_plain', '_vote', '_late', '_balanced'):
        kind = kind.removesuffix(ending)
    if kind.startswith('noise'):
        ratio, labels = kind.removeprefix('noise').split('_')
        number = int(labels.removesuffix('labels').removesuffix('label'))
        return [f'noise{ratio}_{draw:02d}' for draw in range(number)]
    scales = ['x1.0', 'x0.75', 'x0.5']
    if kind == '12seeds':
        nets, types = ['vgg16', 'res38'], WORDS['both']
    else:
        net, of_type, *tag = kind.split('_')
        nets, types = net.split('-'), WORDS[of_type]
        scales = scales if tag == ['3scales'] else tag or scales[:1]
    return [f'{n}_{t}_{s}' for n in nets for t in types for s in scales]


@pytest.mark.parametrize('data', ['voc12', 'shapes'])
def test_every_cell_has_a_config_and_every_config_a_cell(data):
    files = {path.stem for path in (ROOT / data).glob('*.py')}
    assert files == set(NAMES[data])


@pytest.mark.parametrize('data, name', [(data, name) for data in NAMES for name in NAMES[data]])
def test_a_cell_is_trained_with_what_its_name_says(data, name):
    cfg = Config.fromfile(ROOT / data / f'{name}.py')
    assert list(cfg.train_dataloader.dataset.get('seed_dirs', [])) == expected_seeds(name)
    multi = cfg.model.type == 'mmws.MultiSeedSegmentor'
    assert multi == (not name.endswith(('gt', '_vote')))
    # Section 3 of the paper comes before WST: the pilot experiment has the plain average.
    plain = name.endswith('_plain') or ('noise' in name and '12labels' not in name)
    if multi:
        loss = cfg.model.decode_head.loss_decode
        assert loss.scale == (0.0 if plain else 1.0)
        assert loss.get('balance', 0.0) == (1.0 if name.endswith('_balanced') else 0.0)
        assert loss.get('warmup', 0.0) == (0.5 if name.endswith('_late') else 0.0)
    if data == 'shapes':
        parts = (cfg.model.backbone, cfg.model.decode_head)
        assert all((p.init_cfg is None) == name.startswith('scratch') for p in parts)


def test_the_papers_figures_of_shared_cells_agree():
    figures = {}
    for table in (TABLES[f'table{number}'] for number in range(2, 7)):
        for cell in table.cells:
            if cell.paper is not None:
                assert figures.setdefault(cell.config, cell.paper) == cell.paper, cell
    assert figures['12seeds'] == 64.6
    assert figures['vgg16_both'] == 63.8

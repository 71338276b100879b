import shlex
from pathlib import Path

import pytest
from mmengine.config import Config, DictAction

from mmws.experiments.cells import SOURCES, TABLES
from mmws.experiments.small_data import SmallData
from mmws.experiments.table_run import TableRun
from mmws.experiments.voc_data import VOCData

TYPES = dict(threshold=['threshold'], crf=['crf'], both=['threshold', 'crf'])
DATA = {'voc12': VOCData(Path('/out')), 'shapes': SmallData(Path('/out'))}
RUNS = {
    (kind, name): TableRun(table, data).run(training)
    for kind, data in DATA.items()
    for table in TABLES
    if TABLES[table].data in (None, kind)
    for name, training in TABLES[table].trainings.items()
}


def expected_seeds(name):
    """The seed folders that a cell's name stands for."""
    if name.endswith('gt'):
        return []
    kind = name.removeprefix('scratch_').removeprefix('r101_')
    for ending in ('_plain', '_vote', '_balanced'):
        kind = kind.removesuffix(ending)
    if kind.startswith('noise'):
        ratio, labels = kind.removeprefix('noise').split('_')
        number = int(labels.removesuffix('labels').removesuffix('label'))
        return [f'noise{ratio}_{draw:02d}' for draw in range(number)]
    scales = ['x1.0', 'x0.75', 'x0.5']
    if kind == '12seeds':
        nets, types = ['vgg16', 'res38'], TYPES['both']
    else:
        net, of_type, *tag = kind.split('_')
        nets, types = net.split('-'), TYPES[of_type]
        scales = scales if tag == ['3scales'] else tag or scales[:1]
    return [f'{n}_{t}_{s}' for n in nets for t in types for s in scales]


@pytest.mark.parametrize('kind, name', RUNS)
def test_a_cell_is_trained_with_what_its_name_says(kind, name):
    cfg = RUNS[kind, name].config
    dataset = cfg.train_dataloader.dataset
    assert list(dataset.get('seed_dirs', [])) == expected_seeds(name)
    root = {'voc12': 'data', 'shapes': '/out/data'}[kind]
    if 'seed_root' in dataset:
        assert dataset.seed_root == f'{root}/{"noisy" if "noise" in name else "seeds"}'
    multi = cfg.model.type == 'mmws.MultiSeedSegmentor'
    assert multi == (not name.endswith(('gt', '_vote')))
    # Section 3 of the paper comes before WST: the pilot experiment has the plain average.
    plain = name.endswith('_plain') or ('noise' in name and '12labels' not in name)
    if multi:
        loss = cfg.model.decode_head.loss_decode
        assert loss.scale == (0.0 if plain else 1.0)
        assert loss.get('balance', 0.0) == (1.0 if name.endswith('_balanced') else 0.0)
    parts = (cfg.model.backbone, cfg.model.decode_head)
    if kind == 'shapes':
        assert all((p.init_cfg is None) == name.startswith('scratch') for p in parts)
    else:
        assert (cfg.model.backbone.type == 'ResNet') == name.startswith('r101')


@pytest.mark.parametrize('kind', DATA)
def test_the_command_of_a_cell_trains_the_same_config(kind):
    for (of, name), run in RUNS.items():
        if of == kind:
            train, test = map(shlex.split, run.by_hand())
            assert train[:2] == ['python', 'tools/train.py'] and test[1] == 'tools/test.py'
            cfg = Config.fromfile(train[2])
            assert train[3] == '--work-dir' and train[5] == '--cfg-options', name
            pairs = (option.split('=', 1) for option in train[6:])
            cfg.merge_from_dict({k: DictAction._parse_iterable(v) for k, v in pairs})
            assert cfg.to_dict() == run.config.to_dict(), name
            assert test[2:4] == [train[2], train[4]] and test[-len(train[5:]) :] == train[5:]


def test_a_path_that_the_command_line_would_change_is_not_printed():
    run = TableRun('table6', VOCData(Path('/out'), Path('/my data'))).runs()[0]
    with pytest.raises(ValueError, match="'/my data'.* cannot be written on the command line"):
        run.by_hand()


def test_the_papers_figures_of_shared_cells_agree():
    figures = {}
    for table in (TABLES[f'table{number}'] for number in range(2, 7)):
        for cell in table.cells:
            if cell.paper is not None:
                assert figures.setdefault(cell.training.name, cell.paper) == cell.paper, cell
    assert figures['12seeds'] == 64.6
    assert figures['vgg16_both'] == 63.8


@pytest.mark.parametrize(
    ('folder', 'network', 'merge', 'ratio'),
    [
        ('res38_crf_x0.75', 'res38', '', 0),
        ('vgg16_crf_max', 'vgg16', 'max', 0),
        ('noise0.3_11', '', '', 0.3),
    ],
)
def test_each_seed_folder_has_a_source(folder, network, merge, ratio):
    source = SOURCES[folder]
    assert (source.network, source.merge, source.ratio) == (network, merge, ratio)
    assert folder in source.folders and len(SOURCES) == 12 + 2 * 2 + 3 * 12

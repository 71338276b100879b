import shlex
from pathlib import Path

import pytest
from mmengine.config import Config, DictAction

from mmws.experiments.cells import TABLES
from mmws.experiments.photos_data import PhotosData
from mmws.experiments.small_data import SmallData
from mmws.experiments.table_run import TableRun
from mmws.experiments.voc_data import VOCData

OUT = Path('/out')
DATA = {'voc12': VOCData(OUT), 'photos': PhotosData(OUT), 'shapes': SmallData(OUT)}
RUNS = {
    (kind, name): TableRun(table, data).run(training)
    for kind, data in DATA.items()
    for table in TABLES
    if TABLES[table].data in (None, kind)
    for name, training in zip(
        TABLES[table].trainings, data.table(TABLES[table]).trainings.values(), strict=True
    )
}
VGG16 = [f'vgg16_{kind}_{x}' for kind in ('threshold', 'crf') for x in ('x1.0', 'x0.75', 'x0.5')]
TWELVE = VGG16 + [name.replace('vgg16', 'res38') for name in VGG16]


@pytest.mark.parametrize(
    ('name', 'seeds', 'rule'),
    [
        ('gt', [], None),
        ('vgg16_threshold', ['vgg16_threshold_x1.0'], 'wst'),
        ('res38_both', ['res38_threshold_x1.0', 'res38_crf_x1.0'], 'wst'),
        ('vgg16-res38_crf', ['vgg16_crf_x1.0', 'res38_crf_x1.0'], 'wst'),
        ('vgg16_both_3scales', VGG16, 'wst'),
        ('vgg16_both_3scales_plain', VGG16, 'plain'),
        ('vgg16_crf_3scales', VGG16[3:], 'wst'),
        ('vgg16_both_mean', ['vgg16_threshold_mean', 'vgg16_crf_mean'], 'wst'),
        ('12seeds', TWELVE, 'wst'),
        ('12seeds_plain', TWELVE, 'plain'),
        ('12seeds_vote', TWELVE, 'vote'),
        # Section 3 of the paper comes before WST: the pilot experiment has the plain average.
        ('noise0.2_1label', ['noise0.2_00'], 'plain'),
        ('noise0.1_2labels', ['noise0.1_00', 'noise0.1_01'], 'plain'),
        ('noise0.3_12labels', [f'noise0.3_{draw:02d}' for draw in range(12)], 'wst'),
    ],
)
@pytest.mark.parametrize(
    ('kind', 'root'),
    [('voc12', 'data/'), ('photos', 'data/photo_'), ('shapes', '/out/data/')],
)
def test_a_cell_is_trained_with_what_its_name_says(kind, root, name, seeds, rule):
    cfg = RUNS[kind, name].config
    dataset = cfg.train_dataloader.dataset
    if kind == 'photos':
        seeds = [seed.replace('vgg16', 'lite0').replace('res38', 'lite2') for seed in seeds]
    assert list(dataset.get('seed_dirs') or []) == seeds
    if seeds:
        assert dataset.seed_root == f'{root}{"noisy" if "noise" in name else "seeds"}'
    if rule is not None:
        assert cfg.model.type == 'mmws.MultiSeedSegmentor'
        assert cfg.model.decode_head.loss_decode.get('rule', 'wst') == rule


def test_cells_of_two_tables_only():
    for name in TABLES['table7'].trainings:
        found = RUNS['voc12', name].config
        other = RUNS['voc12', name.removeprefix('r101_')].config
        assert (found.model.backbone.type, other.model.backbone.type) == ('ResNet', 'VGG16LargeFOV')
        assert found.train_dataloader == other.train_dataloader
    for name in TABLES['safety'].trainings:
        model = RUNS['shapes', name].config.model
        balance = model.decode_head.loss_decode.get('balance', 0.0)
        assert balance == (1.0 if name.endswith('_balanced') else 0.0)
        for part in (model.backbone, model.decode_head):
            assert (part.init_cfg is None) == name.startswith('scratch')


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


def test_cells_of_one_name_are_one_training():
    found = {}
    for table in TABLES.values():
        for name, training in table.trainings.items():
            same = found.setdefault(name, training)
            assert (training, training.options) == (same, same.options)

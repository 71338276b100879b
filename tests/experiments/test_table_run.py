import csv
import json
import shutil

import pytest

from mmws.experiments.cells import MASKS, TWELVE
from mmws.experiments.small_data import SmallData
from mmws.experiments.table_run import TableRun
from mmws.experiments.voc_data import VOCData

MADE = ['mmws 0.1 (abc), 2 CPU cores', 'mmws 0.1 (def), NVIDIA H100']


@pytest.fixture
def data(voc_tree, tmp_path):
    shutil.copytree(voc_tree.root, tmp_path / 'voc')
    return VOCData(tmp_path / 'out', tmp_path / 'voc', tmp_path / 'voc')


def start(run):
    return list(map(str, next(iter(run.job().steps()))))


def finish(run, made=MADE[0], **result):
    """Leave what a finished run leaves."""
    start(run)
    run.result_path.write_text(json.dumps(dict(made_with=made, **result)))


def test_gpus_that_cannot_share_a_batch_are_refused(data):
    with pytest.raises(ValueError, match='batches of 16 images, which 3 GPUs cannot share evenly'):
        TableRun('table6', data, gpus=3, launcher='slurm')
    with pytest.raises(ValueError, match='--gpus and --launcher are for VOC'):
        TableRun('table5', SmallData(data.folder), launcher='slurm')


def test_the_archive_is_of_the_papers_cell_where_there_are_test_images(data, tmp_path):
    def archives(name, data, **options):
        return [j.name for j in TableRun(name, data, **options).jobs() if 'archive' in j.name]

    assert archives('table6', data, repeats=2) == ['12seeds #0, archive for the test server']
    assert archives('table7', data) == ['r101_12seeds, archive for the test server']
    assert archives('table5', data) == archives('table6', data, cells=['gt']) == []
    assert archives('table6', VOCData(tmp_path / 'other', tmp_path)) == []
    assert archives('table6', SmallData(tmp_path / 'small')) == []
    (command,) = TableRun('table6', data).jobs()[-1].steps()
    assert {'--tta', '--crf', '--format-only'} <= set(command)
    assert command[-1] == 'test_dataloader.dataset.ann_file=ImageSets/Segmentation/test.txt'


def test_a_finished_or_half_trained_cell_of_other_seeds_is_not_reported(data):
    table = TableRun('table6', data)
    run = table.run(TWELVE)
    manifest = data.root / 'seeds' / TWELVE.seeds[4] / 'seed.json'
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"recipe": {"checkpoint": "old"}, "complete": true}')
    finish(run, mIoU=50.0)
    table.check_results()
    manifest.write_text('{"recipe": {"checkpoint": "new"}, "complete": true}')
    for _ in range(2):  # the result, then a half-trained run
        for cells in (None, ['gt']):  # the report shows all
            with pytest.raises(FileExistsError, match=f'seeds .*{TWELVE.seeds[4]} is .* there and'):
                TableRun('table6', table.data, cells=cells).check_results()
        with pytest.raises(FileExistsError, match='These results depend on it'):
            start(run)
        run.result_path.unlink(missing_ok=True)


def test_a_trial_is_not_reported_as_the_real_thing(data):
    trial = TableRun('table6', data, epochs=1, cells=['gt'])
    finish(trial.run(MASKS), mIoU=1)
    with pytest.raises(FileExistsError, match='max_epochs is 1 there and 20 here'):
        TableRun('table6', data, cells=['12seeds']).check_results()
    trial.check_results()


def test_the_report_has_both_figures_the_papers_test_and_what_it_was_made_with(data):
    table = TableRun('table6', data)
    finish(table.run(MASKS), mIoU=70.0, mIoU_crf=71.5)
    finish(table.run(TWELVE.by('plain')), MADE[1], mIoU=60.0, mIoU_crf=61.0)
    text = table.write_report().read_text()
    assert '| ground truth | 71.5 |' in text
    *_, row = csv.DictReader((data.folder / 'table6.csv').open())
    assert (row['mIoU'], row['mIoU_without_crf']) == ('71.5', '70.0')
    assert 'after the CRF (the CSV has it without, too)' in text
    assert 'test the paper reports 64.2 (server id QR50FW)' in text
    assert 'no archive for the test server yet: it is not finished' in text
    (data.root / 'ImageSets/Segmentation/test.txt').unlink()
    assert f'yet: there is no {data.root}/ImageSets' in table.write_report().read_text()
    assert f'Made with {"; ".join(reversed(MADE))}.' in text
    archive = table.run(TWELVE).archive
    archive.parent.mkdir(parents=True)
    archive.touch()
    text = table.write_report().read_text()
    assert 'test server: `cells/12seeds/seed0/submission/results.tar.gz`' in text

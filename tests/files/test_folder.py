import json
import multiprocessing
import os
from pathlib import Path

import pytest

from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SeedFolder

RECIPE = {'type': 'crf', 'scales': (1.0,), 'crf': {'iterations': 10}}


def fill(folder, *ids):
    for image_id in ids:
        write_atomically(folder.file(image_id), b'x')


def begun(path, *ids, recipe=RECIPE, **options):
    """A folder of the recipe with some images in it."""
    folder = SeedFolder(path, recipe, **options)
    folder.prepare()
    fill(folder, *ids)
    return folder


def manifest(folder):
    return json.loads((folder.path / 'seed.json').read_text())


def names(folder):
    return sorted(path.name for path in folder.path.iterdir())


def test_fill_stop_and_finish_and_add_more(tmp_path):
    folder = begun(tmp_path / 'seed', 'a', 'sub/b', about={'config': 'x.py'})
    assert not folder.complete(['a', 'sub/b', 'c'])
    assert not folder.is_complete and manifest(folder)['complete'] is False

    again = begun(tmp_path / 'seed', about={'config': 'x.py'})
    assert again.finished() == {'a', 'sub/b'}
    fill(again, 'c')
    assert again.complete(['a', 'sub/b', 'c']) and folder.is_complete
    found = manifest(folder)
    assert found['recipe'] == json.loads(json.dumps(RECIPE))
    assert found['config'] == 'x.py' and found['num_images'] == 3 and found['complete'] is True
    assert names(folder) == ['a.png', 'c.png', 'seed.json', 'sub']

    folder.reopen()
    assert not folder.is_complete
    fill(folder, 'd')
    assert folder.complete(['a', 'd']) and manifest(folder)['num_images'] == 2


def test_another_recipe_is_refused_while_unfinished_and_when_complete(tmp_path):
    folder = begun(tmp_path / 'seed', 'a')
    other = SeedFolder(tmp_path / 'seed', {**RECIPE, 'crf': {'iterations': 5}})
    message = 'crf.iterations is 10 there and 5 here.*--overwrite'
    with pytest.raises(FileExistsError, match=message):
        other.prepare()
    assert folder.complete(['a'])
    with pytest.raises(FileExistsError, match=message):
        other.prepare()
    other.clear()
    assert not names(other)
    other.prepare()
    assert other.finished() == set() and not other.is_complete


@pytest.mark.parametrize('kind', ['neither', 'complete', 'unfinished', 'unreadable', 'no recipe'])
def test_what_is_of_another_kind_is_never_removed(tmp_path, kind):
    """Pictures below a folder, or another stage's output, survive --overwrite."""
    other = SeedFolder(tmp_path / 'out', RECIPE)
    if kind in ('complete', 'unfinished'):
        other.prepare()
    fill(other, 'a', 'SegmentationClass/b')
    if kind == 'complete':
        other.complete(['a'])
    if kind == 'unreadable':
        (tmp_path / 'out/saliency.json').write_text('{')
    if kind == 'no recipe':
        (tmp_path / 'out/saliency.json').write_text('{"mine": 1}')
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises((FileExistsError, ValueError), match=r'[Cc]hoose another'):
        SeedFolder(tmp_path / 'out', RECIPE, manifest='saliency.json').clear()
    assert sorted(tmp_path.rglob('*')) == before


def test_clearing_that_is_stopped_leaves_an_unfinished_folder_of_the_old_recipe(
    tmp_path, monkeypatch
):
    folder = begun(tmp_path / 'seed', 'a', 'b')
    folder.complete(['a', 'b'])
    other = SeedFolder(tmp_path / 'seed', {**RECIPE, 'type': 'threshold'})
    unlink = Path.unlink

    def stopped(path, missing_ok=False):
        if path.suffix == '.png' and len(list(other.path.glob('*.png'))) == 1:
            raise KeyboardInterrupt
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, 'unlink', stopped)
    with pytest.raises(KeyboardInterrupt):
        other.clear()
    monkeypatch.undo()
    assert len(folder.finished()) == 1 and not folder.is_complete
    with pytest.raises(FileExistsError, match='type is .crf. there and .threshold. here'):
        other.prepare()
    folder.prepare()
    other.clear()
    other.prepare()
    assert other.finished() == set()


def test_what_killed_processes_left_goes_at_the_end_and_what_others_write_stays(tmp_path):
    folder = begun(tmp_path / 'seed', 'a')
    (folder.path / '.b.png.123.part').write_bytes(b'hal')
    (folder.path / '.seed.json.123.part').write_bytes(b'{')  # of another process
    (folder.path / 'b.png').write_bytes(b'')  # after a power cut
    assert folder.finished() == {'a'}
    fill(folder, 'b')
    assert folder.complete(['a', 'b'])
    assert names(folder) == ['.seed.json.123.part', 'a.png', 'b.png', 'seed.json']


def test_a_file_whose_unfinished_form_was_tidied_away_is_written_again(tmp_path, monkeypatch):
    folder = begun(tmp_path / 'seed', 'a')
    replace = os.replace

    def late(source, target):
        monkeypatch.undo()
        folder.complete(['a'])
        replace(source, target)

    monkeypatch.setattr(os, 'replace', late)
    write_atomically(folder.file('b'), b'y')
    assert folder.file('b').read_bytes() == b'y'
    assert not list(folder.path.glob('.*'))


def fill_side_by_side(root, rank, barrier, errors):
    """One of four processes that fill fifty folders, all at the same moment."""
    for number in range(50):
        folder = SeedFolder(root / str(number), RECIPE)
        barrier.wait(60)
        try:
            folder.prepare()
            folder.reopen()
            fill(folder, str(rank))
            folder.check()
        except Exception as error:
            errors.put(f'fill: {error!r}')
        barrier.wait(60)
        try:
            assert folder.complete('0123')
            folder.prepare()
        except Exception as error:
            errors.put(f'complete: {error!r}')
        barrier.wait(60)
        try:
            folder.reopen()
            assert folder.complete('0123')
        except Exception as error:
            errors.put(f'again: {error!r}')


def prepare_own_recipe(root, rank, barrier, errors):
    for number in range(50):
        folder = SeedFolder(root / str(number), {'made by': rank})
        barrier.wait(60)
        try:
            folder.prepare()
        except FileExistsError:
            errors.put((number, rank))


def run_side_by_side(work, *arguments):
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['mmws.files.folder'])
    barrier, errors = context.Barrier(4), context.SimpleQueue()
    processes = [
        context.Process(target=work, args=(*arguments, rank, barrier, errors)) for rank in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 4
    found = []
    while not errors.empty():
        found.append(errors.get())
    return found


def test_several_processes_fill_and_complete_a_folder_at_once(tmp_path):
    assert run_side_by_side(fill_side_by_side, tmp_path) == []
    for number in range(50):
        folder = SeedFolder(tmp_path / str(number), RECIPE)
        assert names(folder) == ['0.png', '1.png', '2.png', '3.png', 'seed.json']
        assert folder.is_complete


def test_of_several_recipes_at_once_one_is_accepted(tmp_path):
    refused = run_side_by_side(prepare_own_recipe, tmp_path)
    for number in range(50):
        maker = SeedFolder(tmp_path / str(number), {}).stored_recipe()['made by']
        assert {rank for folder, rank in refused if folder == number} == {0, 1, 2, 3} - {maker}


def test_a_process_that_begins_between_two_looks_is_no_stranger(tmp_path, monkeypatch):
    folder = SeedFolder(tmp_path / 'seed', RECIPE)
    finished = folder.finished

    def late():
        begun(tmp_path / 'seed', 'a')
        return finished()

    monkeypatch.setattr(folder, 'finished', late)
    folder.check()

import errno
import io
import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmws.files import bank
from mmws.files.bank import (
    SeedFolder,
    encode_seed,
    read_manifest,
    seed_name,
    stored_classes,
    voc_palette,
    write_atomically,
)
from mmws.files.label_map import read_label_map

RECIPE = {'type': 'crf', 'scales': (1.0,), 'crf': {'iterations': 10}}


def fill(folder, *ids):
    for image_id in ids:
        write_atomically(folder.file(image_id), b'x')


def test_names():
    assert seed_name('vgg16', 'crf', 0.75) == 'vgg16_crf_x0.75'
    assert seed_name('res38', 'threshold', 1) == 'res38_threshold_x1.0'
    assert seed_name('vgg16', 'crf', 'max') == 'vgg16_crf_max'


def test_palette_is_voc_s():
    palette = voc_palette()
    by_hand = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 8: (64, 0, 0), 15: (192, 128, 128),
               20: (0, 64, 128), 255: (224, 224, 192)}  # fmt: skip
    for label, colour in by_hand.items():
        assert tuple(palette[label]) == colour
    assert len({tuple(colour) for colour in palette.tolist()}) == 256


def test_an_encoded_seed_is_read_back(tmp_path):
    labels = np.random.default_rng(0).choice([0, 1, 20, 255], (17, 23)).astype(np.uint8)
    content = encode_seed(labels)
    assert content == encode_seed(labels.copy())
    (tmp_path / 'a.png').write_bytes(content)
    np.testing.assert_array_equal(read_label_map(tmp_path / 'a.png'), labels)
    image = Image.open(io.BytesIO(content))
    assert image.mode == 'P'
    colours = np.asarray(image.convert('RGB'))
    np.testing.assert_array_equal(colours, voc_palette()[labels])


def test_encode_refuses_what_is_no_label_map():
    with pytest.raises(ValueError, match=r'\(H, W\) uint8; got \(3, 3\) int64'):
        encode_seed(np.zeros((3, 3), np.int64))


def test_fill_stop_and_finish(tmp_path):
    folder = SeedFolder(tmp_path / 'seed', RECIPE, about={'classes': ['cat']})
    folder.prepare()
    fill(folder, 'a', 'sub/b')
    assert not folder.complete(['a', 'sub/b', 'c'])
    assert not folder.is_complete
    with pytest.raises(FileNotFoundError, match='continues where it stopped'):
        read_manifest(folder.path)

    again = SeedFolder(tmp_path / 'seed', RECIPE, about={'classes': ['cat']})
    again.prepare()
    assert again.finished() == {'a', 'sub/b'}
    fill(again, 'c')
    assert again.complete(['a', 'sub/b', 'c'])
    manifest = read_manifest(folder.path)
    assert manifest['recipe'] == json.loads(json.dumps(RECIPE))
    assert manifest['classes'] == ['cat'] and manifest['num_images'] == 3
    assert sorted(p.name for p in folder.path.iterdir()) == ['a.png', 'c.png', 'seed.json', 'sub']


def test_another_recipe_is_refused_while_unfinished_and_when_complete(tmp_path):
    folder = SeedFolder(tmp_path / 'seed', RECIPE)
    folder.prepare()
    other = SeedFolder(tmp_path / 'seed', {**RECIPE, 'crf': {'iterations': 5}})
    message = 'crf.iterations is 10 there and 5 here.*--overwrite'
    with pytest.raises(FileExistsError, match=message):
        other.prepare()
    fill(folder, 'a')
    assert folder.complete(['a'])
    with pytest.raises(FileExistsError, match=message):
        other.prepare()
    other.clear()
    other.prepare()
    assert other.finished() == set() and not other.is_complete


def test_a_folder_of_unknown_origin_is_refused(tmp_path):
    (tmp_path / 'seed').mkdir()
    (tmp_path / 'seed/a.png').write_bytes(b'x')
    with pytest.raises(FileExistsError, match='holds 1 .png files but neither') as refusal:
        SeedFolder(tmp_path / 'seed', RECIPE).prepare()
    # What mmws did not make is for its owner to remove.
    assert '--overwrite' not in str(refusal.value) and 'by hand' in str(refusal.value)


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


def test_another_kind_does_not_go_on_in_an_unfinished_folder(tmp_path):
    SeedFolder(tmp_path / 'out', RECIPE, suffix='.npz', manifest='cams.json').prepare()
    with pytest.raises(FileExistsError, match=r'being made there: cams\.json, not seed\.json'):
        SeedFolder(tmp_path / 'out', RECIPE).prepare()


def test_there_is_nothing_to_clear_in_a_new_folder(tmp_path):
    SeedFolder(tmp_path / 'seed', RECIPE).clear()
    assert not list(tmp_path.iterdir())


def test_clearing_that_is_stopped_leaves_an_unfinished_folder_of_the_old_recipe(
    tmp_path, monkeypatch
):
    folder = SeedFolder(tmp_path / 'seed', RECIPE)
    folder.prepare()
    fill(folder, 'a', 'b')
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


def test_images_can_be_added_to_a_complete_folder(tmp_path):
    folder = SeedFolder(tmp_path / 'seed', RECIPE)
    folder.prepare()
    fill(folder, 'a')
    folder.complete(['a'])
    folder.reopen()
    assert not folder.is_complete
    folder.prepare()
    fill(folder, 'b')
    assert folder.complete(['a', 'b'])
    assert read_manifest(folder.path)['num_images'] == 2


def test_what_killed_processes_left_is_not_counted_and_goes_at_the_end(tmp_path):
    folder = SeedFolder(tmp_path / 'seed', RECIPE)
    folder.prepare()
    fill(folder, 'a')
    (folder.path / '.b.png.123.part').write_bytes(b'hal')
    (folder.path / 'b.png').write_bytes(b'')  # after a power cut
    assert folder.finished() == {'a'}
    fill(folder, 'b')
    assert folder.complete(['a', 'b'])
    assert sorted(p.name for p in folder.path.iterdir()) == ['a.png', 'b.png', 'seed.json']


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


def run_side_by_side(work, *arguments):
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['mmws.files.bank'])
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
    expected = ['0.png', '1.png', '2.png', '3.png', 'seed.json']
    for folder in tmp_path.iterdir():
        assert sorted(path.name for path in folder.iterdir()) == expected


def prepare_own_recipe(root, rank, barrier, errors):
    for number in range(50):
        folder = SeedFolder(root / str(number), {'made by': rank})
        barrier.wait(60)
        try:
            folder.prepare()
        except FileExistsError:
            errors.put((number, rank))


def test_of_several_recipes_at_once_one_is_accepted(tmp_path):
    refused = run_side_by_side(prepare_own_recipe, tmp_path)
    for number in range(50):
        mark = json.loads((tmp_path / f'{number}/unfinished.json').read_text())
        others = {0, 1, 2, 3} - {mark['recipe']['made by']}
        assert {rank for folder, rank in refused if folder == number} == others


def test_a_process_that_begins_between_two_looks_is_no_stranger(tmp_path, monkeypatch):
    folder = SeedFolder(tmp_path / 'seed', RECIPE)
    other = SeedFolder(tmp_path / 'seed', RECIPE)
    scan = folder._scan

    def late():
        other.prepare()
        fill(other, 'a')
        return scan()

    monkeypatch.setattr(folder, '_scan', late)
    folder.check()


def test_the_notes_of_other_processes_are_left_alone(tmp_path):
    folder = SeedFolder(tmp_path / 'seed', RECIPE)
    folder.prepare()
    fill(folder, 'a')
    being_written = folder.path / '.seed.json.0123.part'
    being_written.write_bytes(b'{')
    assert folder.complete(['a']) and being_written.is_file()


def test_a_file_whose_unfinished_form_was_tidied_away_is_written_again(tmp_path, monkeypatch):
    folder = SeedFolder(tmp_path / 'seed', RECIPE)
    folder.prepare()
    fill(folder, 'a')
    replace = os.replace

    def late(source, target):
        monkeypatch.undo()
        folder.complete(['a'])
        replace(source, target)

    monkeypatch.setattr(os, 'replace', late)
    write_atomically(folder.file('b'), b'y')
    assert folder.file('b').read_bytes() == b'y'
    assert not list(folder.path.glob('.*'))


def test_equal_process_numbers_do_not_share_a_file(tmp_path, monkeypatch):
    names = []
    monkeypatch.setattr(os, 'replace', lambda source, target: names.append(source.name))
    write_atomically(tmp_path / 'a.png', b'x')
    write_atomically(tmp_path / 'a.png', b'x')
    assert len(set(names)) == 2


def test_without_hard_links_the_mark_is_moved(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(errno.EPERM, 'Operation not permitted')

    monkeypatch.setattr(os, 'link', refuse)
    folder = SeedFolder(tmp_path / 'seed', RECIPE)
    folder.prepare()
    assert [path.name for path in folder.path.iterdir()] == ['unfinished.json']


def test_write_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / 'deep/er/file.png'
    write_atomically(path, b'old')

    def stopped(source, target):
        raise OSError(errno.EIO, 'stopped')

    monkeypatch.setattr(os, 'replace', stopped)
    with pytest.raises(OSError, match='stopped'):
        write_atomically(path, b'new')
    assert path.read_bytes() == b'old'
    assert [p.name for p in path.parent.iterdir()] == ['file.png']


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(Path, 'write_bytes', full)
    with pytest.raises(OSError, match='no space left while writing .*a.png.*run the same command'):
        write_atomically(tmp_path / 'a.png', b'x')


def test_an_unreadable_manifest(tmp_path):
    folder = SeedFolder(tmp_path / 'seed', RECIPE)
    folder.prepare()
    (folder.path / bank.SEED_MANIFEST).write_text('{')
    with pytest.raises(ValueError, match='seed.json cannot be read'):
        folder.prepare()


def test_stored_classes_are_told_finished_or_not(tmp_path):
    assert stored_classes(tmp_path) is None
    folder = SeedFolder(tmp_path / 'seed', {'classes': ['cat', 'dog']})
    folder.prepare()
    assert stored_classes(folder.path) == ['background', 'cat', 'dog']
    fill(folder, 'a')
    folder.complete(['a'])
    assert stored_classes(folder.path) == ['background', 'cat', 'dog']
    assert stored_classes(folder.path, 'cam.json') is None
    SeedFolder(tmp_path / 'nameless', {'classes': None}).prepare()
    assert stored_classes(tmp_path / 'nameless') is None
    (tmp_path / 'seed.json').write_text('{"of": "others"}')
    assert stored_classes(tmp_path) is None

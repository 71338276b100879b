import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmws.evaluation.check import (
    IMAGES,
    MapsOfImage,
    SeedCheck,
    distinct_palettes,
    palette_of,
)
from mmws.evaluation.check_report import as_dict, as_text
from mmws.files.label_map import voc_palette

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, (9, 9))


def check(*maps, image=None, num_classes=None, **options):
    found = SeedCheck(len(maps), num_classes)
    found.check_image(MapsOfImage('a', maps, image), **options)
    return found


def test_parts_add_up_to_the_whole(save):
    jobs = [
        [save(RNG.choice([0, 3, 255], (5, 7)), f'{i}_{k}.png') for k in range(3)] for i in range(4)
    ]
    jobs[2][1] = 'gone.png'
    whole, sum_of_parts = SeedCheck(3), SeedCheck(3)
    for maps in jobs:
        whole.check_image(MapsOfImage('a', maps))
        sum_of_parts.add(check(*maps))
    assert whole.counts.maps.tolist() == [4, 3, 4]
    assert whole.problems == sum_of_parts.problems == {(1, 'missing'): ['gone.png']}
    for name, value in vars(whole.counts).items():
        np.testing.assert_array_equal(getattr(sum_of_parts.counts, name), value, err_msg=name)


def test_reduce_zero_label_is_mmsegs(save):
    found = check(save([[0, 1, 150, 255]], 'a.png'), num_classes=150, reduce_zero_label=True)
    assert np.flatnonzero(found.counts.given[0]).tolist() == [0, 149, 150]
    assert found.counts.given[0, 150] == 2 and not found.problems
    assert check(save([[150]], 'b.png'), num_classes=150).problems


def test_defects_are_told_and_left_out(save, tmp_path):
    good = save([[0, 1]] * 3, 'good.png')
    large = save([[0, 1, 1]] * 3, 'large.png')
    beyond = save([[0, 21], [0, 1], [77, 255]], 'beyond.png')
    colours, image = str(tmp_path / 'colours.png'), str(tmp_path / 'image.jpg')
    Image.new('RGB', (2, 3)).save(colours)
    Image.new('RGB', (2, 3)).save(image)
    cut, gone = tmp_path / 'cut.png', str(tmp_path / 'gone.png')
    cut.write_bytes(Path(good).read_bytes()[:-30])

    found = check(good, large, beyond, colours, str(cut), gone, image=image, num_classes=21)
    assert found.counts.maps.tolist() == [1, 0, 0, 0, 0, 0]
    assert found.counts.given.sum(1).tolist() == [6, 0, 0, 0, 0, 0]
    assert not found.problems_of(0) and found.problems_of(5) == {'missing': [gone]}
    (text,) = found.problems_of(1)['of another size than the image']
    assert text == f'{large} is 3x3, expected 2x3 (width x height)'
    assert found.problems_of(2) == {'with labels outside 0..20 and 255': [f'{beyond} holds 21, 77']}
    assert 'mode RGB' in found.problems_of(3)['cannot be read'][0]
    assert 'is damaged or cut off' in found.problems_of(4)['cannot be read'][0]
    errors, _ = found.verdict('abcdef')
    assert f'b: 1 of another size than the image, the first: {text}' in errors
    assert 'f: no map could be read.' in errors and f'f: 1 missing, the first: {gone}' in errors
    assert not any(error.startswith('a:') for error in errors)
    assert not any('missing' in error for error in found.verdict('abcdef', allow_missing=True)[0])


def test_without_images_the_size_of_most_maps_counts(save):
    small, other = save([[0, 1]], 'a.png'), save([[1, 1]], 'b.png')
    found = check(save([[0, 1, 1]], 'c.png'), small, other)
    assert list(found.problems_of(0)) == ['of another size than the rest']
    assert found.counts.maps.tolist() == [0, 1, 1]


def test_unreadable_image(save, tmp_path):
    (tmp_path / 'x.jpg').write_bytes(b'no image')
    found = check(save([[0, 1]], 'a.png'), image=str(tmp_path / 'x.jpg'))
    (error,) = found.verdict(['a'])[0]
    assert 'images: 1 unreadable' in error and 'x.jpg is no' in error
    assert list(found.problems_of(IMAGES)) == ['unreadable'] and found.counts.maps.tolist() == [1]


def test_palettes(save, tmp_path):
    voc = save([[0, 1]], 'voc.png')
    for mode, kind in (('L', 'grey'), ('RGB', 'other')):
        Image.new(mode, (2, 2)).save(tmp_path / 'x.png')
        assert palette_of((tmp_path / 'x.png').read_bytes()) == kind
    # A palette that was cut off after the last used colour is the same palette.
    short = Image.fromarray(np.array([[0, 1]], np.uint8))
    short.putpalette(voc_palette()[:2].tobytes())
    short.save(tmp_path / 'short.png')
    found = check(voc)
    found.add(check(str(tmp_path / 'short.png')))
    assert found.palettes[0] == {'VOC colours'}
    assert distinct_palettes([b'123', b'123456', 'grey']) == [b'123456', 'grey']
    # What reducing colour images to a palette gives: each file has its own.
    for colours in ((9, 9, 9), (1, 2, 3)):
        Image.new('RGB', (2, 2), colours).quantize(4).save(tmp_path / 'x.png')
        found.add(check(str(tmp_path / 'x.png')))
    assert any('3 different palettes' in warning for warning in found.verdict(['seed'])[1])


@pytest.mark.parametrize(
    ('maps', 'errors', 'warnings'),
    [
        ([[[0, 255]]], ['only labels are 0 and 255.* If 255 is the foreground'], []),
        ([[[255, 255]]], ['every pixel of every map is 255'], ['100% of the pixels']),
        ([[[1, 21]]], [], [r'labels are 1..21.*reduce_zero_label']),
        ([[[0] + [255] * 19 + [1]]], [], ['90% of the pixels are unknown']),
        ([LABELS, LABELS], ['1 and 0 are the same maps: a seed that counts twice'], []),
        ([LABELS, (LABELS + 1) % 3], [], [f'{k}: agrees with the other.* at 0%' for k in (0, 1)]),
        ([[[0, 1, 0, 0]], [[0, 0, 0, 0]]], [], ['1: labels that other seeds.* never occur: 1']),
        ([LABELS, np.where(RNG.random((9, 9)) < 0.1, 255, LABELS)], [], []),
    ],
)
def test_what_looks_wrong(save, maps, errors, warnings):
    names = [str(k) for k in range(len(maps))]
    found = check(*(save(labels, f'{k}.png') for k, labels in enumerate(maps))).verdict(names)
    for texts, patterns in zip(found, (errors, warnings), strict=True):
        assert len(texts) == len(patterns), texts
        for text, pattern in zip(texts, patterns, strict=True):
            assert re.search(pattern, text)


def test_report_and_json_hold_the_numbers(save):
    gone = [save([[0]], 'x.png'), 'gone.png']
    found = check(save([[0, 1, 1, 255]], 'a.png'), save([[0, 1, 0, 0]], 'b.png'))
    found.add(check(*gone))
    options = dict(classes=['background', 'cat'])
    text = as_text(as_dict(found, ['first', 'second'], errors=['Too bad.'], **options))
    row = next(line for line in text.splitlines() if ' second ' in line).split()
    assert row[:6] == ['2', 'second', '1', '1', '0', '0..1']
    assert '66.7' in text and '- Too bad.' in text and 'Nothing is wrong' not in text
    content = as_dict(found, ['first', 'second'], **options)
    assert as_text(content).endswith('Nothing is wrong.')
    assert content['agreement'][0][1] == pytest.approx(2 / 3, abs=1e-6)
    first, second = content['seeds']
    assert first['pixels'] == {'0': 2, '1': 2, '255': 1} and first['problems'] == {}
    assert first['maps_with'] == {'0': 2, '1': 1, '255': 1} and second['missing'] == 1


def test_many_classes_show_those_that_differ(save):
    many = np.arange(60).reshape(6, 10)
    other = many.copy()
    other[0, :] = 59
    text = as_text(as_dict(check(save(many, 'a.png'), save(other, 'b.png')), ['a', 'b']))
    table = text.split('differ most\n')[1].splitlines()
    assert len(table[: table.index('')]) == 31
    assert table[1].split()[0] == '0' and table[30].split()[0] == '59'

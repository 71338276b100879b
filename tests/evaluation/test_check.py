from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmws.evaluation.check import (
    IMAGES,
    MapsOfImage,
    SeedCheck,
    describe_palettes,
    distinct_palettes,
    palette_of,
)
from mmws.evaluation.check_report import as_dict, as_text
from mmws.files.label_map import encode_label_map, voc_palette


@pytest.fixture
def save(tmp_path):
    """Writes a label map and tells its path."""

    def write(labels, name):
        path = tmp_path / name
        path.write_bytes(encode_label_map(np.asarray(labels, np.uint8)))
        return str(path)

    return write


def check(*maps, image=None, num_classes=None, **options):
    found = SeedCheck(len(maps), num_classes)
    found.check_image(MapsOfImage('a', image, maps), **options)
    return found


def test_parts_add_up_to_the_whole(save):
    rng = np.random.default_rng(0)
    jobs = [
        MapsOfImage(
            str(i), None, [save(rng.choice([0, 3, 255], (5, 7)), f'{i}_{k}.png') for k in range(3)]
        )
        for i in range(4)
    ]
    jobs[2].maps[1] = 'gone.png'
    whole, sum_of_parts = SeedCheck(3), SeedCheck(3)
    for job in jobs:
        whole.check_image(job)
        part = SeedCheck(3)
        part.check_image(job)
        sum_of_parts.add(part)
    assert whole.maps.tolist() == [4, 3, 4] and whole.problems == {(1, 'missing'): ['gone.png']}
    for one, other in ((whole, sum_of_parts), (whole.counts, sum_of_parts.counts)):
        for name, value in vars(one).items():
            if name != 'counts':
                np.testing.assert_array_equal(getattr(other, name), value, err_msg=name)


def test_reduce_zero_label_is_mmsegs(save):
    found = check(save([[0, 1, 150, 255]], 'a.png'), num_classes=150, reduce_zero_label=True)
    assert np.flatnonzero(found.pixels[0]).tolist() == [0, 149, 255]
    assert found.pixels[0, 255] == 2 and not found.problems
    assert check(save([[150]], 'b.png'), num_classes=150).problems


def test_defects_are_told_and_left_out(save, tmp_path):
    good = save([[0, 1]] * 3, 'good.png')
    large = save([[0, 1, 1]] * 3, 'large.png')
    beyond = save([[0, 21], [0, 1], [77, 255]], 'beyond.png')
    colours = str(tmp_path / 'colours.png')
    Image.new('RGB', (2, 3)).save(colours)
    cut = tmp_path / 'cut.png'
    cut.write_bytes(Path(good).read_bytes()[:-30])
    image = str(tmp_path / 'image.jpg')
    Image.new('RGB', (2, 3)).save(image)

    gone = str(tmp_path / 'gone.png')
    found = check(good, large, beyond, colours, str(cut), gone, image=image, num_classes=21)
    assert found.maps.tolist() == [1, 0, 0, 0, 0, 0]
    assert found.pixels.sum(1).tolist() == [6, 0, 0, 0, 0, 0]
    assert not found.problems_of(0) and found.problems_of(5) == {'missing': [gone]}
    (text,) = found.problems_of(1)['of another size than the image']
    assert text == f'{large} is 3x3, expected 2x3 (width x height)'
    assert found.problems_of(2) == {
        'with labels outside 0..20 and 255': [f'{beyond} holds 21, 77'],
    }
    assert 'mode RGB' in found.problems_of(3)['cannot be read'][0]
    assert 'is damaged or cut off' in found.problems_of(4)['cannot be read'][0]
    errors, _ = found.verdict(list('abcdef'))
    assert f'b: 1 of another size than the image, the first: {text}' in errors
    assert 'f: no map could be read.' in errors and f'f: 1 missing, the first: {gone}' in errors
    assert not any(error.startswith('a:') for error in errors)
    assert not any('missing' in error for error in found.verdict('abcdef', allow_missing=True)[0])


def test_without_images_the_size_of_most_maps_counts(save):
    small, other = save([[0, 1]], 'a.png'), save([[1, 1]], 'b.png')
    odd = save([[0, 1, 1]], 'c.png')
    found = check(odd, small, other)
    assert list(found.problems_of(0)) == ['of another size than the rest']
    assert found.maps.tolist() == [0, 1, 1]


def test_unreadable_image(save, tmp_path):
    (tmp_path / 'x.jpg').write_bytes(b'no image')
    found = check(save([[0, 1]], 'a.png'), image=str(tmp_path / 'x.jpg'))
    errors, _ = found.verdict(['a'])
    assert len(errors) == 1 and 'images: 1 unreadable' in errors[0] and 'x.jpg is no' in errors[0]
    assert list(found.problems_of(IMAGES)) == ['unreadable']
    assert found.maps.tolist() == [1]


def test_palettes(save, tmp_path):
    voc = save([[0, 1]], 'voc.png')
    assert palette_of(voc) == voc_palette().tobytes()
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / 'grey.png')
    assert palette_of(tmp_path / 'grey.png') == 'grey'
    Image.new('RGB', (2, 2)).save(tmp_path / 'rgb.png')
    assert palette_of(tmp_path / 'rgb.png') == 'other'
    # A palette that was cut off after the last used colour is the same palette.
    short = Image.fromarray(np.array([[0, 1]], np.uint8))
    short.putpalette(voc_palette()[:2].tobytes())
    short.save(tmp_path / 'short.png')
    found = check(voc)
    found.add(check(str(tmp_path / 'short.png')))
    assert distinct_palettes(found.palettes[0]) == [voc_palette().tobytes()]
    assert describe_palettes(found.palettes[0]) == 'VOC colours'
    # What reducing colour images to a palette gives: each file has its own.
    for name, colours in (('x', (9, 9, 9)), ('y', (1, 2, 3))):
        Image.new('RGB', (2, 2), colours).quantize(4).save(tmp_path / f'{name}.png')
    found = check(str(tmp_path / 'x.png'))
    found.add(check(str(tmp_path / 'y.png')))
    _, warnings = found.verdict(['seed'])
    assert any('2 different palettes' in warning for warning in warnings)


def test_what_looks_wrong(save):
    zeros_and_255 = check(save([[0, 255]], 'a.png'))
    assert 'If 255 is the foreground' in zeros_and_255.verdict(['a'])[0][0]
    unknown = check(save([[255, 255]], 'b.png'))
    assert 'every pixel of every map is 255' in unknown.verdict(['b'])[0][0]
    shifted = check(save([[1, 21]], 'c.png'))
    assert 'reduce_zero_label' in shifted.verdict(['c'])[1][0]
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (9, 9))
    twice = check(save(labels, 'd.png'), save(labels, 'e.png'))
    errors, _ = twice.verdict(['d', 'e'])
    assert errors == [
        'e and d are the same maps: a seed that counts twice outvotes the others. Leave one out.'
    ]
    apart = check(save(labels, 'd.png'), save((labels + 1) % 3, 'f.png'))
    errors, warnings = apart.verdict(['d', 'f'])
    assert not errors and 'd: agrees with the other seeds at 0%' in warnings[0]
    lacking = check(save([[0, 1, 0, 0]], 'g.png'), save([[0, 0, 0, 0]], 'h.png'))
    assert lacking.verdict(['g', 'h'])[1] == ['h: labels that other seeds have never occur: 1.']


def test_clean_folders_have_no_complaint(save):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (20, 20))
    other = np.where(rng.random((20, 20)) < 0.1, 255, labels)
    found = check(save(labels, 'a.png'), save(other, 'b.png'), num_classes=3)
    assert found.verdict(['a', 'b']) == ([], [])
    text = as_text(as_dict(found, ['a', 'b'], classes=['x', 'y', 'z']))
    assert text.endswith('Nothing is wrong.')


def test_report_and_json_hold_the_numbers(save):
    found = check(save([[0, 1, 1, 255]], 'a.png'), save([[0, 1, 0, 0]], 'b.png'))
    found.note(1, 'missing', 'x.png', 'y.png')
    options = dict(classes=['background', 'cat'])
    text = as_text(as_dict(found, ['first', 'second'], errors=['Too bad.'], **options))
    row = next(line for line in text.splitlines() if ' second ' in line).split()
    assert row[:6] == ['2', 'second', '1', '2', '0', '0..1']
    assert '66.7' in text and '- Too bad.' in text and 'Nothing is wrong' not in text
    content = as_dict(found, ['first', 'second'], **options)
    assert content['agreement'][0][1] == pytest.approx(2 / 3, abs=1e-6)
    assert content['seeds'][0]['pixels'] == {'0': 1, '1': 2, '255': 1}
    assert content['seeds'][1]['missing'] == 2
    assert content['seeds'][0]['problems'] == {}


def test_many_classes_show_those_that_differ(save):
    many = np.arange(60).reshape(6, 10)
    other = many.copy()
    other[0, :] = 59
    found = check(save(many, 'a.png'), save(other, 'b.png'))
    text = as_text(as_dict(found, ['a', 'b']))
    table = text.split('differ most\n')[1].splitlines()
    assert len(table[: table.index('')]) == 31
    assert table[1].split()[0] == '0' and table[30].split()[0] == '59'

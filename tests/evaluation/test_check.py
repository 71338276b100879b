from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmws.evaluation.check import (
    MapsOfImage,
    SeedStatistics,
    check_images,
    describe_palettes,
    image_size,
    palette_of,
    verdict,
)
from mmws.evaluation.check_report import as_json, as_text
from mmws.files.label_map import encode_label_map, voc_palette


@pytest.fixture
def save(tmp_path):
    """Writes a label map and tells its path."""

    def write(labels, name):
        path = tmp_path / name
        path.write_bytes(encode_label_map(np.asarray(labels, np.uint8)))
        return str(path)

    return write


def check(*maps, image=None, **options):
    return check_images([MapsOfImage('a', image, maps)], **options)


def test_counts_by_hand(save):
    a = save([[0, 0, 1], [255, 2, 2]], 'a.png')
    b = save([[0, 1, 1], [1, 255, 2]], 'b.png')
    found = check(a, b, num_classes=3)
    assert found.images == 1 and found.maps.tolist() == [1, 1]
    assert found.pixels[:, [0, 1, 2, 255]].tolist() == [[2, 1, 2, 1], [1, 3, 1, 1]]
    # Both know four pixels: 0/0, 0/1, 1/1, 2/2.
    assert found.both_known.tolist() == [[5, 4], [4, 5]]
    assert found.same.tolist() == [[5, 3], [3, 5]]
    np.testing.assert_allclose(found.agreement, [[1, 0.75], [0.75, 1]])
    np.testing.assert_allclose(found.unknown, [1 / 6, 1 / 6])
    # The vote is 0 0 1 / 1 2 2 (of two votes the smaller label): b has 1 where it says 0.
    iou = found.iou_with_vote()
    np.testing.assert_allclose(iou[0, :3], [1, 1, 1])
    np.testing.assert_allclose(iou[1, :3], [1 / 2, 2 / 3, 1])
    assert np.isnan(iou[:, 3:]).all()


def test_parts_add_up_to_the_whole(save):
    rng = np.random.default_rng(0)
    jobs = [
        MapsOfImage(
            str(i), None, [save(rng.choice([0, 3, 255], (5, 7)), f'{i}_{k}.png') for k in range(3)]
        )
        for i in range(4)
    ]
    jobs[2].maps[1] = None
    whole = check_images(jobs)
    parts = SeedStatistics.empty(3)
    for job in reversed(jobs):
        parts.add(check_images([job]))
    assert whole.maps.tolist() == [4, 3, 4]
    for name, value in vars(whole).items():
        np.testing.assert_array_equal(getattr(parts, name), value, err_msg=name)


def test_reduce_zero_label_is_mmsegs(save):
    found = check(save([[0, 1, 150, 255]], 'a.png'), num_classes=150, reduce_zero_label=True)
    assert np.flatnonzero(found.pixels[0]).tolist() == [0, 149, 255]
    assert found.pixels[0, 255] == 2 and not found.problems[0]
    assert check(save([[150]], 'b.png'), num_classes=150).problems[0]


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

    found = check(good, large, beyond, colours, str(cut), None, image=image, num_classes=21)
    assert found.maps.tolist() == [1, 0, 0, 0, 0, 0]
    assert found.pixels.sum(1).tolist() == [6, 0, 0, 0, 0, 0]
    told = [[(kind, p.examples[0]) for kind, p in problems.items()] for problems in found.problems]
    assert told[0] == told[5] == []
    assert 'large.png is 3x3, expected 2x3' in told[1][0][1]
    assert told[2] == [('with labels outside 0..20 and 255', f'{beyond} holds 21, 77')]
    assert 'mode RGB' in told[3][0][1]
    assert 'cannot be decoded' in told[4][0][1]
    errors, _ = verdict(found, list('abcdef'))
    assert 'b: 1 of another size than the image, the first: ' + large in errors[0]
    assert 'f: no map could be read.' in errors
    assert not any(error.startswith('a:') for error in errors)


def test_without_images_the_size_of_most_maps_counts(save):
    small, other = save([[0, 1]], 'a.png'), save([[1, 1]], 'b.png')
    odd = save([[0, 1, 1]], 'c.png')
    found = check(odd, small, other)
    assert list(found.problems[0]) == ['of another size than the rest']
    assert found.maps.tolist() == [0, 1, 1]


def test_image_size_is_that_of_opencv(tmp_path):
    cv2 = pytest.importorskip('cv2')
    image, exif = Image.new('RGB', (8, 5)), Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        image.save(tmp_path / 'x.jpg', exif=exif)
        expected = cv2.imread(str(tmp_path / 'x.jpg')).shape[:2]
        assert image_size(tmp_path / 'x.jpg') == expected


def test_unreadable_image(save, tmp_path):
    (tmp_path / 'x.jpg').write_bytes(b'no image')
    found = check(save([[0, 1]], 'a.png'), image=str(tmp_path / 'x.jpg'))
    errors, _ = verdict(found, ['a'])
    assert len(errors) == 1 and 'images: 1 unreadable' in errors[0]
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
    assert list(found.palettes[0].values()) == [2]
    assert describe_palettes(found.palettes[0]) == 'VOC colours'
    # What reducing colour images to a palette gives: each file has its own.
    for name, colours in (('x', (9, 9, 9)), ('y', (1, 2, 3))):
        Image.new('RGB', (2, 2), colours).quantize(4).save(tmp_path / f'{name}.png')
    found = check(str(tmp_path / 'x.png'))
    found.add(check(str(tmp_path / 'y.png')))
    _, warnings = verdict(found, ['seed'])
    assert any('2 different palettes' in warning for warning in warnings)


def test_what_looks_wrong(save):
    zeros_and_255 = check(save([[0, 255]], 'a.png'))
    assert 'If 255 is the foreground' in verdict(zeros_and_255, ['a'])[0][0]
    unknown = check(save([[255, 255]], 'b.png'))
    assert 'every pixel of every map is 255' in verdict(unknown, ['b'])[0][0]
    shifted = check(save([[1, 21]], 'c.png'))
    assert 'reduce_zero_label' in verdict(shifted, ['c'])[1][0]
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (9, 9))
    twice = check(save(labels, 'd.png'), save(labels, 'e.png'))
    errors, _ = verdict(twice, ['d', 'e'])
    assert errors == [
        'e and d are the same maps: a seed that counts twice outvotes the others. Leave one out.'
    ]
    apart = check(save(labels, 'd.png'), save((labels + 1) % 3, 'f.png'))
    errors, warnings = verdict(apart, ['d', 'f'])
    assert not errors and 'd: agrees with the other seeds at 0%' in warnings[0]
    lacking = check(save([[0, 1, 0, 0]], 'g.png'), save([[0, 0, 0, 0]], 'h.png'))
    assert verdict(lacking, ['g', 'h'])[1] == ['h: labels that other seeds have never occur: 1.']


def test_clean_folders_have_no_complaint(save):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (20, 20))
    other = np.where(rng.random((20, 20)) < 0.1, 255, labels)
    found = check(save(labels, 'a.png'), save(other, 'b.png'), num_classes=3)
    assert verdict(found, ['a', 'b'], num_classes=3) == ([], [])
    text = as_text(found, ['a', 'b'], missing=np.array([0, 0]), classes=['x', 'y', 'z'])
    assert text.endswith('Nothing is wrong.')


def test_report_and_json_hold_the_numbers(save):
    found = check(save([[0, 1, 1, 255]], 'a.png'), save([[0, 1, 0, 0]], 'b.png'))
    options = dict(missing=np.array([0, 2]), classes=['background', 'cat'])
    text = as_text(found, ['first', 'second'], errors=['Too bad.'], **options)
    row = next(line for line in text.splitlines() if ' second ' in line).split()
    assert row[:6] == ['2', 'second', '1', '2', '0', '0..1']
    assert '66.7' in text and '- Too bad.' in text and 'Nothing is wrong' not in text
    content = as_json(found, ['first', 'second'], **options)
    assert content['agreement'][0][1] == pytest.approx(2 / 3, abs=1e-6)
    assert content['seeds'][0]['pixels'] == {'0': 1, '1': 2, '255': 1}
    assert content['seeds'][1]['missing'] == 2


def test_many_classes_show_those_that_differ(save):
    many = np.arange(60).reshape(6, 10)
    other = many.copy()
    other[0, :] = 59
    found = check(save(many, 'a.png'), save(other, 'b.png'))
    text = as_text(found, ['a', 'b'], missing=np.array([0, 0]))
    table = text.split('differ most\n')[1].splitlines()
    assert len(table[: table.index('')]) == 31
    assert table[1].split()[0] == '0' and table[30].split()[0] == '59'

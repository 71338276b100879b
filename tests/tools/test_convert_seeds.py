"""Each published form, written as its authors write it, becomes the seed that it stands for."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mmws.files.label_map import encode_label_map, read_label_map, voc_palette

NAMES = ['background', 'aeroplane', 'bicycle', 'bird']
ALL = ','.join(NAMES)


@pytest.fixture
def truth(voc_tree):
    """The label map of each training image; 0 where VOC has 255."""
    ids = voc_tree.ids['train_aug']
    maps = {i: read_label_map(voc_tree.root / f'SegmentationClassAug/{i}.png') for i in ids}
    return {i: np.where(labels == 255, 0, labels).astype(np.uint8) for i, labels in maps.items()}


def scores_of(labels, floats=np.float32):
    """Maps of the present classes, 0.9 inside and 0.1 outside, and their indices from 0."""
    present = [label for label in np.unique(labels) if label]
    maps = np.stack([np.where(labels == label, 0.9, 0.1) for label in present]).astype(floats)
    return np.array(present) - 1, maps


def refined(labels):
    present = np.unique([0, *np.unique(labels)])
    maps = np.stack([np.where(labels == label, 0.9, 0.1) for label in present])
    return {int(label): m for label, m in zip(present, maps / maps.sum(0), strict=True)}


def logits(labels, count=4):
    return np.eye(count, dtype=np.float32)[labels].transpose(2, 0, 1) * 5 - 2


def by_class(labels, key=int, floats=np.float32):
    keys, maps = scores_of(labels, floats)
    return {key(k): m for k, m in zip(keys, maps, strict=True)}


def irn(labels):
    keys, maps = scores_of(labels)
    return {'keys': keys, 'cam': maps[:, ::4, ::4], 'high_res': maps}


def clip_es(labels):
    keys, maps = scores_of(labels, np.float16)
    return {'keys': keys, 'attn_highres': maps}


def boxes(labels):
    """Name and corners (x, y, x, y) of the square in an image of the tree."""
    (label,) = set(np.unique(labels)) - {0}
    rows, columns = np.nonzero(labels == label)
    corners = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return NAMES[label], *map(int, corners)


def labelme(labels):
    name, x, y, right, bottom = boxes(labels)
    points = [[x, y], [right, y], [right, bottom], [x, bottom]]
    shape = dict(label=name, points=points, shape_type='polygon', group_id=None, flags={})
    height, width = labels.shape
    return dict(shapes=[shape], imagePath='x.jpg', imageHeight=height, imageWidth=width)


def cityscapes(labels):
    content = labelme(labels)
    things = [dict(label=s['label'], polygon=s['points']) for s in content['shapes']]
    return dict(imgHeight=labels.shape[0], imgWidth=labels.shape[1], objects=things)


def coco(truth, runs=False):
    images, things = [], []
    for number, (image_id, labels) in enumerate(truth.items(), 1):
        height, width = labels.shape
        images.append(dict(id=number, file_name=f'{image_id}.jpg', height=height, width=width))
        name, x, y, right, bottom = boxes(labels)
        area = [[x, y, right, y, right, bottom, x, bottom]]
        if runs:
            inside = (labels > 0).T.ravel()
            turns = [0, *(np.flatnonzero(np.diff(inside)) + 1), inside.size]
            area = dict(size=[height, width], counts=np.diff(turns).tolist())
        thing = dict(id=number, image_id=number, category_id=10 * NAMES.index(name))
        things.append(dict(thing, segmentation=area, area=1, iscrowd=int(runs)))
    categories = [dict(id=10 * i, name=name) for i, name in enumerate(NAMES) if i]
    return dict(images=images, annotations=things, categories=categories)


def via(truth):
    entries = {}
    for image_id, labels in truth.items():
        name, x, y, right, bottom = boxes(labels)
        shape = dict(name='polygon', all_points_x=[x, right, right, x])
        shape['all_points_y'] = [y, y, bottom, bottom]
        regions = [dict(shape_attributes=shape, region_attributes=dict(kind=name))]
        name = f'{image_id}.jpg'
        entries[f'{name}99'] = dict(filename=name, size=99, regions=regions, file_attributes={})
    return dict(_via_img_metadata=entries, _via_settings={})


def colours(labels):
    return Image.fromarray(voc_palette()[labels])


def certain(labels):
    doubt = np.where(np.arange(labels.shape[1]) < 4, 10, 250) + 0 * labels
    return Image.fromarray(np.stack([labels, doubt], 2).astype(np.uint8), 'LA')


# Suffix, what a file holds, options; of the last ones the file holds all images.
FORMS = {
    'ids': ('.png', Image.fromarray, ()),
    'colours': ('.png', colours, ()),
    'URN': ('.png', certain, ('--ignore-below', 0.05)),
    'PSA': ('.npy', by_class, ()),
    'MCTformer, text keys': ('.npy', lambda x: by_class(x, str), ('--background', 0.4)),
    'PSA after CRF': ('.npy', refined, ()),
    'IRN': ('.npy', irn, ('--background', 'alpha=4')),
    'CLIP-ES': ('.npy', clip_es, ()),
    'logits': ('.npy', lambda x: logits(x).astype(np.float16), ()),
    'SeCo': ('.npy', lambda x: dict(msc_seg=logits(x)[None]), ()),
    'ExCEL': ('.npy', lambda x: dict(zip(('keys_gt', 'valid_lam'), scores_of(x), strict=True)), ()),
    'npz': ('.npz', lambda x: logits(x), ()),
    'LabelMe': ('.json', labelme, ()),
    'Cityscapes': ('_gtFine_polygons.json', cityscapes, ('--suffix', '_gtFine_polygons.json')),
    'COCO': ('', coco, ()),
    'COCO runs': ('', lambda x: coco(x, runs=True), ()),
    'VIA': ('', via, ()),
}


def write(form, truth, folder):
    """Write a source, and give its path."""
    suffix, content, _ = FORMS[form]
    folder.mkdir()
    if not suffix:
        (folder / 'anna.json').write_text(json.dumps(content(truth)))
        return folder / 'anna.json'
    for image_id, labels in truth.items():
        path = folder / f'{image_id}{suffix}'
        if suffix == '.png':
            content(labels).save(path)
        elif suffix.endswith('.json'):
            path.write_text(json.dumps(content(labels)))
        else:
            (np.save if suffix == '.npy' else np.savez_compressed)(path, content(labels))
    return folder


@pytest.fixture
def convert(tool, voc_tree, tmp_path):
    """Run the tool on sources, out to ``seeds``; four classes, sizes of the tree's images."""

    def start(*arguments, classes=ALL, images=voc_tree.root / 'JPEGImages', workers=0):
        options = ['--classes', classes] if classes else []
        options += ['--images', images] if images else []
        options += ['--out', 'seeds', '--workers', workers]
        return tool('convert_seeds.py', *arguments, *options, cwd=tmp_path)

    return start


@pytest.mark.parametrize('form', FORMS)
def test_every_form_is_converted(form, convert, truth, tmp_path):
    source = write(form, truth, tmp_path / 'source')
    done = convert(source, '--names', 'seed', *FORMS[form][2])
    assert done.returncode == 0, done.stdout + done.stderr
    assert '4 images made' in done.stdout
    assert 'Check them: mmws check seeds/seed' in done.stdout
    for image_id, labels in truth.items():
        expected = labels.copy()
        if form == 'URN':
            expected[:, :4] = 255
        found = read_label_map(tmp_path / f'seeds/seed/{image_id}.png')
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize('workers', [0, 2])
def test_two_sources_resumed_and_refused(convert, truth, tmp_path, workers):
    first, second = (write(form, truth, tmp_path / form) for form in ('IRN', 'CLIP-ES'))
    done = convert(first, second, '--limit', 3, workers=workers)
    assert done.stdout.count('3 images made') == 2 and 'high_res: 1 maps' in done.stdout
    assert 'CLIP-ES: 4 images, classes, the first 2007_train_aug_0: keys, attn_h' in done.stdout
    made = tmp_path / 'seeds/IRN/2007_train_aug_0.png'
    before = made.stat().st_mtime_ns
    assert convert(first, second).stdout.count('1 images made') == 2
    assert made.stat().st_mtime_ns == before
    refused = convert(first, '--background', 0.5)
    assert refused.returncode == 1 and 'background is None there and ' in refused.stderr
    assert convert(first, '--background', 0.5, '--overwrite').returncode == 0


def test_saliency_and_confidence(convert, tmp_path, voc_tree):
    (image_id,) = voc_tree.ids['train_aug'][:1]
    (tmp_path / 'list.txt').write_text(image_id)
    with Image.open(voc_tree.root / f'JPEGImages/{image_id}.jpg') as image:
        width, height = image.size
    scores = np.zeros((height, width), np.float32)
    scores[:, 5:10], scores[:, 10:] = 0.5, 0.9
    (tmp_path / 'cams').mkdir()
    np.save(tmp_path / f'cams/{image_id}.npy', {2: scores})
    saliency = np.where(np.arange(width) < 10, 51, 255) + np.zeros((height, 1))  # background .8, 0
    (tmp_path / 'salient').mkdir()
    Image.fromarray(saliency.astype(np.uint8)).save(tmp_path / f'salient/{image_id}.png')
    options = ['cams', '--background', 'salient', '--list', 'list.txt']
    for share, row in {0.1: [0, 0, 3], 0.7: [0, 255, 3]}.items():  # .8 / 1.3 is below .7
        done = convert(*options, '--ignore-below', share, '--overwrite')
        assert done.returncode == 0, done.stdout + done.stderr
        found = read_label_map(tmp_path / f'seeds/cams/{image_id}.png')
        assert found[0, [0, 7, 12]].tolist() == row and (found == found[0]).all()


def test_classes_by_names_and_numbers(convert, tmp_path, voc_tree, truth):
    image_id, labels = next(iter(truth.items()))
    (tmp_path / 'theirs').mkdir()
    made = tmp_path / f'seeds/theirs/{image_id}.png'

    def result(pixels, *options, **kwargs):
        shaped = np.resize(np.uint8(pixels), labels.shape)
        (tmp_path / f'theirs/{image_id}.png').write_bytes(encode_label_map(shaped))
        done = convert('theirs', '--overwrite', *options, **kwargs)
        if done.returncode:
            return SimpleNamespace(text=done.stdout + done.stderr)
        return read_label_map(made).ravel()[: len(pixels)].tolist()

    theirs = ['--source-classes', 'other,plane,bird,bg']
    renamed = ['--map', 'plane=aeroplane', 'other=unknown', 'bg=background']
    assert result([0, 1, 2, 3, 255], *theirs, *renamed) == [255, 1, 3, 0, 255]
    assert result([0, 255], '--map', '255=1') == [0, 1]
    assert result([0, 1, 4, 255], '--reduce-zero-label') == [255, 0, 3, 255]
    assert result([0, 77], '--map', '77=bird') == [0, 3]
    assert result([0, 77], classes=None) == [0, 77]
    assert 'the labels [4] are none of the 4 classes' in result([0, 4]).text
    lost = result([0], *theirs, '--map', 'other=unknown').text
    assert "'plane' is no class of background, aeroplane" in lost
    assert 'Map it: plane=aeroplane, or plane=unknown' in lost
    wrong = result([0], *theirs, *renamed, 'cat=bird').text
    assert "'cat' is to be renamed, but the files have no such class" in wrong


BAD = {
    'nothing there': ('nowhere', (), 'no file or folder nowhere'),
    'empty': ('empty', (), 'holds no .png, .npy, .npz, .json files'),
    'two kinds': ('both', (), 'holds .png and .npy files: name one kind by --suffix'),
    'no scores': ('ids', ('--background', 0.3), '--background means nothing for ids: ids'),
    'no zero label': (
        'cams',
        ('--reduce-zero-label',),
        '--reduce-zero-label means nothing for cams',
    ),
    'no number': ('cams', ('--background', 'x'), 'no number, no alpha=4, no such folder'),
    'no share': ('cams', ('--ignore-below', 95), '--ignore-below must be a share'),
    'not listed': ('ids', ('--list', 'ids/l.txt'), '1 of 1 images of ids/l.txt are not in ids'),
    'other form': ('mixed', (), "is of the form 'scores', the first 'classes'"),
    'other size': ('small', (), 'the mask is 5x5, the image'),
    'other image': ('foreign', (), 'images of foreign are not among the images'),
    'one name': ('ids', ('--names', 'a', 'b'), '1 sources need as many different --names'),
    'text': ('text', (), 'text/2007_train_aug_0.png is no image'),
    'no background': ('three', (), 'there are 3 scores a pixel for 4 classes. Is background'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_sources_are_named(case, convert, truth, tmp_path):
    for name in ('empty', 'both', 'ids', 'cams', 'mixed', 'small', 'foreign', 'text', 'three'):
        (tmp_path / name).mkdir()
    image_id, labels = next(iter(truth.items()))
    mask = encode_label_map(labels)
    (tmp_path / f'ids/{image_id}.png').write_bytes(mask)
    (tmp_path / f'both/{image_id}.png').write_bytes(mask)
    (tmp_path / 'foreign/y.png').write_bytes(mask)
    (tmp_path / f'small/{image_id}.png').write_bytes(encode_label_map(labels[:5, :5]))
    (tmp_path / f'text/{image_id}.png').write_text('text')
    (tmp_path / 'ids/l.txt').write_text('other')
    for folder in ('both', 'cams', 'mixed'):
        np.save(tmp_path / f'{folder}/{image_id}.npy', by_class(labels))
    np.save(tmp_path / f'mixed/{list(truth)[1]}.npy', logits(list(truth.values())[1]))
    np.save(tmp_path / f'three/{image_id}.npy', logits(labels)[1:])
    source, options, message = BAD[case]
    done = convert(source, *options)
    assert done.returncode and message in done.stdout + done.stderr, done.stdout + done.stderr


def test_annotators_name_their_classes(convert, truth, tmp_path):
    source = write('COCO', truth, tmp_path / 'source')
    asked = convert(source, classes=None)
    assert '--classes background,aeroplane,bicycle,bird' in asked.stderr
    content = json.loads(source.read_text())
    for image in content['images']:
        image['file_name'] = f'upload\\{image["file_name"]}'
    content['annotations'][0]['score'] = 0.2
    source.write_text(json.dumps(content))
    # No class is called background: what nobody has drawn is unknown.
    done = convert(source, '--ignore-below', 0.3, classes='aeroplane,bicycle,bird')
    assert '1 of the 4 made images are unknown everywhere.' in done.stdout, done.stderr
    second = list(truth)[1]
    found = read_label_map(tmp_path / f'seeds/anna/{second}.png')
    np.testing.assert_array_equal(found, np.where(truth[second], truth[second] - 1, 255))
    assert "'bird' is no class of" in convert(source, classes='aeroplane,bicycle').stderr

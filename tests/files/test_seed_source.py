import pytest

from mmws.files.seed_source import common_ids, seed_sources, seeds_below


@pytest.fixture
def maps(tmp_path):
    """Two annotators of the images x and y/z: a folder each, by suffix, and a folder an image."""
    for image_id in ('x', 'y/z'):
        for name in (
            f'a/{image_id}.png',
            f'b/{image_id}.png',
            f'together/{image_id}_a.png',
            f'together/{image_id}_b.png',
            f'cases/{image_id}/a.png',
            f'cases/{image_id}/b.png',
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ('folders', 'suffix', 'first', 'names'),
    [
        (['a', 'b'], '.png', 'a/y/z.png', ['a', 'b']),
        (['a'], '.png', 'a/y/z.png', ['a']),
        (
            'together',
            ['_a.png', '_b.png'],
            'together/y/z_a.png',
            ['together/*_a.png', 'together/*_b.png'],
        ),
        (
            ['cases', 'cases'],
            ['/a.png', '/b.png'],
            'cases/y/z/a.png',
            ['cases/*/a.png', 'cases/*/b.png'],
        ),
    ],
)
def test_the_layouts_in_which_several_annotators_are_published(maps, folders, suffix, first, names):
    sources = seed_sources(folders, suffix, root=str(maps))
    assert [source.name.removeprefix(f'{maps}/') for source in sources] == names
    assert sources[0].path('y/z') == str(maps / first)
    for source in sources:
        assert source.image_ids() == {'x', 'y/z'}


def test_folders_of_one_name_are_called_by_their_paths(maps):
    (maps / 'other' / 'a').mkdir(parents=True)
    assert [s.name for s in seed_sources([str(maps / 'a'), str(maps / 'other/a')])] == [
        str(maps / 'a'),
        str(maps / 'other/a'),
    ]


@pytest.mark.parametrize(
    ('folders', 'suffix', 'error', 'message'),
    [
        ([], '.png', ValueError, 'no seeds are named'),
        (['a', 'b'], ['.png'] * 3, ValueError, '2 seed folders and 3 suffixes'),
        (['a', 'nope'], '.png', FileNotFoundError, 'seed folder .*nope does not exist'),
        (['a', 'b', 'a'], '.png', ValueError, 'a is given twice'),
        (['a', 'same'], '.png', ValueError, r'same is given twice \(as .*a too\)'),
    ],
)
def test_bad_folders(maps, folders, suffix, error, message):
    (maps / 'same').symlink_to(maps / 'a')
    with pytest.raises(error, match=message):
        seed_sources(folders, suffix, root=str(maps))


def test_the_seeds_of_a_root_and_the_images_that_all_have(maps):
    (maps / 'empty').mkdir()
    assert [s.name for s in seeds_below(maps)] == ['a', 'b', 'cases', 'together']
    seeds = seeds_below(maps, ['a', 'b'])
    assert common_ids(seeds) == ['x', 'y/z'] and common_ids(seeds, ['y/z']) == ['y/z']
    (maps / 'b/x.png').unlink()
    assert common_ids(seeds) == ['y/z']
    with pytest.raises(ValueError, match='1 of 2 images have no label map in .*b, the .*b/x.png'):
        common_ids(seeds, ['x', 'y/z'])
    with pytest.raises(ValueError, match='no image has a label map in each of .*a, .*cases'):
        common_ids(seeds_below(maps, ['a', 'cases']))
    with pytest.raises(ValueError, match='empty holds no folder of seeds'):
        seeds_below(maps / 'empty')
    with pytest.raises(FileNotFoundError, match='nowhere is no folder'):
        seeds_below(maps / 'nowhere')

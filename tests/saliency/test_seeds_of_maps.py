"""Seeds know which saliency maps they were made from."""

from pathlib import Path

import pytest

from mmws.classification.seed_generation import SeedGeneration, saliency_identity
from mmws.classification.seed_job import SeedImage
from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SALIENCY_MANIFEST, SeedFolder
from mmws.seeds.recipe import SeedRecipe

RECIPE = SeedRecipe.from_dict(dict(prefix='a', types='threshold', scales=1.0))


def make_maps(folder, *, complete=True, **recipe):
    maps = SeedFolder(folder, recipe, manifest=SALIENCY_MANIFEST)
    maps.clear()
    maps.prepare()
    write_atomically(maps.file('sub/x'), b'x')
    if complete:
        maps.complete(['sub/x'])


def generation(root, recipe=RECIPE):
    image = SeedImage('sub/x', str(root / 'x.jpg'), (0,), str(root / 'saliency/sub/x.png'))
    return SeedGeneration([image], recipe, root / 'seeds', identity={'weights_sha256': 'x'})


def stored(seeds):
    return seeds.folders['a_threshold_x1.0'].recipe['saliency']


def test_other_maps_are_noticed(tmp_path):
    make_maps(tmp_path / 'saliency', weights='one')
    generation(tmp_path).prepare()
    generation(tmp_path).prepare()
    make_maps(tmp_path / 'saliency', weights='two')
    with pytest.raises(FileExistsError, match="another recipe: saliency.maps is '[0-9a-f]{16}' th"):
        generation(tmp_path).prepare()


def test_growing_folder_of_maps_stays_the_same(tmp_path):
    make_maps(tmp_path / 'saliency', weights='one', complete=False)
    unfinished = stored(generation(tmp_path))
    make_maps(tmp_path / 'saliency', weights='one')
    assert stored(generation(tmp_path)) == unfinished


@pytest.mark.parametrize('content', [None, '{"of": "others"}', 'no JSON'])
def test_maps_of_others_are_known_by_their_folder_only(tmp_path, content):
    if content is not None:
        (tmp_path / 'saliency').mkdir()
        (tmp_path / 'saliency/saliency.json').write_text(content)
    assert stored(generation(tmp_path)) == dict(source='map', folder='saliency', suffix='.png')


def test_seeds_that_need_no_maps_do_not_depend_on_them(tmp_path):
    make_maps(tmp_path / 'saliency', weights='one')
    recipe = SeedRecipe.from_dict(
        dict(prefix='a', types='threshold', scales=1.0, saliency=dict(source='cam'))
    )
    assert stored(generation(tmp_path, recipe)) == dict(source='cam', alpha=4.0)


def test_order_and_place_of_several_folders_do_not_matter(tmp_path):
    def identity(*folders):
        images = [
            SeedImage(f'{i}', 'x.jpg', (0,), f'{tmp_path / folder}/{i}.png')
            for i, folder in enumerate(folders)
        ]
        return saliency_identity(images, '.png')

    for folder, weights in (('a', 'one'), ('b', 'two'), ('c', 'one')):
        make_maps(tmp_path / folder, weights=weights)
    assert identity('a', 'b') == identity('b', 'c') != identity('a', 'c')
    assert identity('a') == identity('c') != identity('b')


def test_missing_maps_name_the_tool(tmp_path):
    pytest.importorskip('mmpretrain')
    from mmws.classification.seed_generation import dataset_images

    class Dataset:
        data_root = str(tmp_path)
        full_init = staticmethod(lambda: None)
        __len__ = staticmethod(lambda: 1)

        def get_data_info(self, index):
            return dict(img_path=f'{tmp_path}/x.jpg', image_id='sub/x', gt_label=[0])

    Path(tmp_path, 'x.jpg').write_bytes(b'')
    with pytest.raises(
        FileNotFoundError, match=rf'tools/generate_saliency\.py .* --out {tmp_path}/saliency, see'
    ):
        dataset_images(Dataset(), RECIPE)

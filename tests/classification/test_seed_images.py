import pytest
from PIL import Image

from mmws.classification.seed_images import dataset_images
from mmws.seeds.seed_recipe import SeedRecipe

RECIPE = SeedRecipe.from_dict(dict(prefix='a', types='threshold', scales=1.0))


class FakeDataset:
    def __init__(self, root, labels):
        self.data_root, self.labels = str(root), labels

    def full_init(self):
        pass

    def __len__(self):
        return len(self.labels)

    def get_data_info(self, index):
        image_id, label = self.labels[index]
        path = f'{self.data_root}/images/{image_id}.jpg'
        return dict(img_path=path, image_id=image_id, gt_label=label)


@pytest.fixture
def root(tmp_path):
    for folder, mode, end in (('images', 'RGB', 'jpg'), ('saliency', 'L', 'png')):
        (tmp_path / folder).mkdir()
        for image_id in 'xy':
            Image.new(mode, (30, 20)).save(tmp_path / folder / f'{image_id}.{end}')
    return tmp_path


def test_lists_images_with_sorted_classes(root):
    images = dataset_images(FakeDataset(root, [('x', [7, 1]), ('y', [0])]), RECIPE)
    assert [image.class_ids for image in images] == [(1, 7), (0,)]
    assert images[0].saliency_path == f'{root}/saliency/x.png'
    assert images[0].map_folder('.png') == f'{root}/saliency'


def test_an_image_without_any_class_needs_no_map(root):
    (root / 'saliency/y.png').unlink()
    images = dataset_images(FakeDataset(root, [('x', [0]), ('y', [])]), RECIPE)
    assert (images[1].class_ids, images[1].saliency_path) == ((), None)


@pytest.mark.parametrize(
    'labels, error, message',
    [
        (
            [('x', [3]), ('x', [4])],
            ValueError,
            'lists 1 image ids more than once, the first: x',
        ),
        ([('q', [3])], FileNotFoundError, '1 of 1 images are missing, the first: .*q.jpg'),
        ([('x', [3, 1, 3])], ValueError, r'x.jpg has the gt_label \[3, 1, 3\].*each once'),
        ([('x', [-1])], ValueError, r'x.jpg has the gt_label \[-1\].*from 0'),
        ([('x', ['cat'])], ValueError, r"x.jpg has the gt_label \['cat'\]; .*indices"),
        ([('x', [0.5])], ValueError, r'x.jpg has the gt_label \[0.5\]'),
        ([('../x', [3])], ValueError, r"1 of 1 image ids .* outside .*first: '\.\./x' of .*x.jpg"),
        ([('/a/x', [3])], ValueError, "ids would name files outside .*first: '/a/x'"),
        ([('x', [3]), ('./x', [3])], ValueError, r"1 of 2 image ids .*first: '\./x'"),
        ([('a/.x', [3])], ValueError, r"hidden ones, the first: 'a/\.x'"),
        ([('.a/x', [3])], ValueError, r"hidden ones, the first: '\.a/x'"),
    ],
)
def test_bad_data_is_refused_before_work(root, labels, error, message):
    with pytest.raises(error, match=message):
        dataset_images(FakeDataset(root, labels), RECIPE)


def test_missing_maps_name_the_tool(root):
    (root / 'saliency/y.png').unlink()
    message = rf"1 of 2 saliency maps.*generate_saliency\.py .* --out {root}/saliency,.*'cam'"
    with pytest.raises(FileNotFoundError, match=message):
        dataset_images(FakeDataset(root, [('x', [3]), ('y', [1])]), RECIPE)

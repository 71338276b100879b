import numpy as np
import pytest

from mmws.datasets.shapes import SHAPES_CLASSES, make_scene, render_masks


def scene(number, size=96):
    return make_scene(np.random.default_rng([7, number]), size)


def test_a_scene_follows_from_its_number_alone():
    first, again, other = scene(3), scene(3), scene(4)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.saliency, again.saliency)
    assert first.objects == again.objects and (first.image != other.image).any()


@pytest.mark.parametrize('size', [96, 33])
def test_scenes_hold_all_classes_and_objects_of_all_sizes(size):
    areas, classes = [], []
    for number in range(60):
        made = scene(number, size)
        assert made.image.shape == (size, size, 3) and made.image.dtype == np.uint8
        assert made.labels.shape == made.saliency.shape == (size, size)
        classes.append({label for label, _ in made.objects})
        assert set(np.unique(made.labels)) - {0} == classes[-1] != set()
        for label, (left, top, right, bottom) in made.objects:
            assert (made.labels[top : bottom + 1, left : right + 1] == label).any()
            areas.append((bottom - top + 1) * (right - left + 1))
    assert max(areas) > size / 5 * min(areas)
    assert np.mean([len(c) > 1 for c in classes]) > 0.25
    assert set.union(*classes) == set(range(1, len(SHAPES_CLASSES)))


def test_saliency_is_useful_but_wrong_in_both_directions():
    made = [scene(number) for number in range(80)]
    found, there = np.array([(m.saliency > 128, m.labels > 0) for m in made]).swapaxes(0, 1)
    missed = (there & ~found).sum((1, 2)) / there.sum((1, 2))
    assert (found == there).mean() > 0.9 and 0.05 < missed.mean() < 0.4
    assert ((found & ~there).sum((1, 2)) > 5).mean() > 0.05


def test_masks_are_rendered_as_they_are():
    labels = np.zeros((60, 80), np.uint8)
    labels[10:40, 10:30] = labels[5:8, 60:75] = 3
    labels[20:50, 50:70] = 17
    labels[0, :] = 255
    made = render_masks(np.random.default_rng(0), labels)
    np.testing.assert_array_equal(made.labels, labels)
    assert sorted(label for label, _ in made.objects) == [3, 3, 17]
    assert (17, (50, 20, 69, 49)) in made.objects

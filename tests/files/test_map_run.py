import pytest

from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SeedFolder
from mmws.files.image_file import BadInputError
from mmws.files.map_run import MapReport, MapRun

IDS = ['x', 'sub/y', 'z']


def prepare_job(image_id, files):
    return image_id, files


def write(image_id, files):
    """Write the id into each file; an image whose id begins with "bad" fails."""
    if image_id.startswith('bad'):
        raise BadInputError(f'{image_id} is cut off')
    for name, file in files.items():
        write_atomically(file, f'{name} {image_id}'.encode())
    return image_id == 'z'


def run_of(root, ids=IDS, recipe='one', names='ab', **options):
    folders = {name: SeedFolder(root / name, {'recipe': recipe}) for name in names}
    return MapRun(folders, ids, **options)


def make(root, *args, prepare_job=prepare_job, overwrite=False, **options):
    run = run_of(root, *args, **options)
    run.prepare(overwrite=overwrite)
    return run.make(prepare_job, write)


def contents(root):
    files = [path for path in root.rglob('*') if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def whole(tmp_path):
    report = make(tmp_path / 'whole')
    assert (report.made, report.kept, report.noted, report.missing) == (3, 0, ['z'], 0)
    return contents(tmp_path / 'whole')


def test_each_folder_gets_a_file_of_each_image(whole):
    written = {name: content for name, content in whole.items() if name.endswith('.png')}
    assert written == {f'{f}/{i}.png': f'{f} {i}'.encode() for f in 'ab' for i in IDS}
    assert {'a/seed.json', 'b/seed.json'} < whole.keys()


@pytest.mark.parametrize('workers', [0, 2])
def test_shares_make_the_same_folders(tmp_path, whole, workers):
    for index, left in ((1, 2), (0, 0)):
        report = make(tmp_path / 'shared', share=(index, 2), workers=workers)
        assert (report.missing, report.shared) == (left, True)
    assert contents(tmp_path / 'shared') == whole


def test_limited_and_stopped_runs_are_continued(tmp_path, whole):
    report = make(tmp_path / 'out', limit=1)
    assert (report.made, report.missing, report.limited) == (1, 2, True)
    (tmp_path / 'out/b/x.png').unlink()

    def stop(image_id, files):
        if image_id == 'z':
            raise KeyboardInterrupt
        return image_id, files

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / 'out', prepare_job=stop)
    told = run_of(tmp_path / 'out', workers=3).describe()
    assert '1 of 3 images to do on 3 workers' in told and 'b: 1 to make, 2 are there' in told
    report = make(tmp_path / 'out')
    assert (report.made, report.kept, report.limited) == (1, 2, False)
    assert contents(tmp_path / 'out') == whole
    assert not run_of(tmp_path, limit=3).limited


def test_another_recipe_is_refused_before_anything_is_emptied(tmp_path):
    make(tmp_path, names='b')
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match="b was made by another recipe: recipe is 'one' th"):
        make(tmp_path, recipe='two')
    (tmp_path / 'c').mkdir()
    (tmp_path / 'c/x.png').write_bytes(b'of others')
    # What mmws did not make is for its owner to remove.
    with pytest.raises(FileExistsError, match='something else made it.*by hand'):
        make(tmp_path, recipe='two', names='bc', overwrite=True)
    (tmp_path / 'c/x.png').unlink()
    assert contents(tmp_path) == before


def test_overwriting_that_was_stopped_is_continued(tmp_path):
    make(tmp_path)
    assert 'what is there goes first' in run_of(tmp_path, recipe='two').describe(overwrite=True)
    assert make(tmp_path, recipe='two', overwrite=True, limit=1).made == 1
    told = run_of(tmp_path, recipe='two').describe(overwrite=True)
    assert '2 of 3 images to do' in told and '2 to make, 1 are there' in told
    report = make(tmp_path, recipe='two', overwrite=True)
    assert (report.kept, report.made, report.missing) == (1, 2, 0)
    # Whoever asks for the same files once more gets them made once more.
    assert make(tmp_path, recipe='two', overwrite=True).made == 3


def test_images_that_fail_are_named_and_the_others_are_made(tmp_path):
    def refuse(image_id, files):
        if image_id == 'no':
            raise BadInputError('no.jpg is missing')
        return image_id, files

    report = make(tmp_path, ['x', 'bad', 'no', 'z'], prepare_job=refuse)
    assert report.failed == {'no': 'no.jpg is missing', 'bad': 'bad is cut off'}
    assert (report.made, report.missing) == (2, 2)
    text = report.summary()
    assert '2 images failed:' in text and '\n  bad: bad is cut off\n' in text
    assert 'Mend them, or take them off the list of images, and run the' in text
    assert 'are left' not in text


def test_errors_of_another_kind_stop_the_run(tmp_path):
    def pad(image_id, files):
        raise ValueError('the data_preprocessor pads')

    with pytest.raises(ValueError, match='pads'):
        make(tmp_path, prepare_job=pad)


@pytest.mark.parametrize(
    'report, expected',
    [
        (dict(made=3), '3 images made, 0 were there already.'),
        (dict(missing=2, limited=True), '2 images are left out by the limit: again without it.'),
        (dict(missing=2, shared=True), '2 images are left to the other processes. If one was'),
        (dict(missing=2), '2 images are left: again to continue.'),
        (dict(made=5, noted=['q', 'r']), '2 of the 5 made images are dark. The first: q.'),
    ],
)
def test_the_summary_says_how_to_go_on(report, expected):
    assert expected in MapReport(**report).summary(noted='are dark.', again='again')


def test_reports_of_all_processes_are_added_up():
    one = MapReport(2, 1, {'q': 'bad'}, ['z'], missing=4, shared=True)
    other = MapReport(3, 0, {'b': 'cut off'}, ['c'], missing=2, shared=True)
    merged = MapReport.merge([one, other])
    assert merged == MapReport(5, 1, {'b': 'cut off', 'q': 'bad'}, ['c', 'z'], missing=2)

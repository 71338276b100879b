import cv2
import pytest


@pytest.mark.slow
def test_sheets_of_a_run_and_an_unknown_id(demo, tool, tmp_path):
    folder, *_ = demo
    cell = folder / 'cells' / '12seeds'
    arguments = (cell / '12seeds.py', cell / 'epoch_1.pth', '--out', tmp_path / 'sheets')
    done = tool('visualize_wst.py', *arguments, '--ids', 'shapes_000003', cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert cv2.imread(str(tmp_path / 'sheets' / 'shapes_000003.png')).std() > 20
    wrong = tool('visualize_wst.py', *arguments, '--ids', 'nobody', cwd=tmp_path)
    assert wrong.returncode and 'has no image nobody' in wrong.stderr

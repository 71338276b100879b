import json
import re

import pytest

CELLS = ('best single seed', 'plain average', 'WST', 'majority vote', 'with the masks')


def table_of(output):
    return output[output.index('mIoU on 8 held-out') :]


@pytest.mark.slow
def test_the_demo_goes_from_image_level_labels_to_a_page_and_is_not_run_twice(tool, tmp_path):
    options = ['--out', tmp_path / 'demo', '--train', 24, '--val', 8, '--jobs', 1]
    options += ['--epochs', 1, '--classifier-epochs', 1]
    done = tool('demo.py', *options, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    table = table_of(done.stdout)
    assert all(re.search(rf'{row}.* \d+\.\d\n', table) for row in CELLS), table
    page = (tmp_path / 'demo/index.html').read_text()
    # Predictions, seeds, two sheets of weights and their curve; all inside the page.
    assert page.count('<img ') == page.count('src="data:image/png;base64,') == 5
    assert all(title in page for title in ('stripe', 'vgg16_crf_x0.5', 'per-pixel oracle'))
    assert len(list((tmp_path / 'demo/data/seeds').iterdir())) == 12
    # Two computations: mmseg's metric, and the confusion of the predictions on disk.
    measured = json.loads((tmp_path / 'demo/cells/12seeds/seed0/result.json').read_text())['mIoU']
    (shown,) = re.findall(r'<td>twelve seeds, WST</td><td>([\d.]+)%</td>', page)
    assert float(shown) == pytest.approx(measured, abs=0.06) and f'{measured:5.1f}' in table

    second = tool('demo.py', *options, cwd=tmp_path)
    assert table_of(second.stdout) == table and 'done in' not in second.stdout
    refused = tool('demo.py', *options, '--seed', 3, cwd=tmp_path)
    assert refused.returncode and 'seed is 0 there and 3 here' in refused.stderr

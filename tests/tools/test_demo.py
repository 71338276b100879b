import json
import re

import pytest


def table_of(output):
    return output[output.index('mIoU on 8 held-out') :]


@pytest.mark.slow
def test_the_demo_goes_from_image_level_labels_to_a_page(demo):
    folder, options, output = demo
    table = table_of(output)
    for row in ('best single seed', 'plain average', 'WST', 'majority vote', 'with the masks'):
        assert re.search(rf'{row}.* \d+\.\d\n', table), row
    page = (folder / 'index.html').read_text()
    # Predictions, seeds, two sheets of weights and their curve; all inside the page.
    assert page.count('<img ') == page.count('src="data:image/png;base64,') == 5
    for title in ('stripe', 'vgg16_crf_x0.5', 'per-pixel oracle'):
        assert title in page
    seeds = sorted(f.name for f in (folder / 'data' / 'seeds').iterdir())
    assert len(seeds) == 12


@pytest.mark.slow
def test_the_page_shows_what_the_test_tool_measured(demo):
    folder, options, output = demo
    measured = json.loads((folder / 'cells/12seeds/seed0/result.json').read_text())['mIoU']
    page = (folder / 'index.html').read_text()
    (shown,) = re.findall(r'<td>twelve seeds, WST</td><td>([\d.]+)%</td>', page)
    # Two computations: mmseg's metric, and the confusion of the predictions on disk.
    assert float(shown) == pytest.approx(measured, abs=0.06)
    assert f'{measured:5.1f}' in table_of(output)


@pytest.mark.slow
def test_a_second_run_trains_nothing_and_other_settings_are_refused(demo, tool):
    folder, options, output = demo
    second = tool('demo.py', *options, cwd=folder)
    assert table_of(second.stdout) == table_of(output)
    assert 'done in' not in second.stdout
    other = tool('demo.py', *options, '--seed', 3, cwd=folder)
    assert other.returncode
    assert 'seed is 0 there and 3 here' in other.stderr
    longer = tool('demo.py', *options, '--epochs', 2, cwd=folder)
    assert longer.returncode
    assert 'train_cfg.max_epochs is 1 there and 2 here' in longer.stderr

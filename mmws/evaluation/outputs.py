"""What tools/test.py writes: predictions, and the archive for the VOC test server."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mmws.files.atomic_write import write_atomically
from mmws.run_config import datasets_in, type_name

_IOU_METRICS = ('IoUMetric', 'PaletteIoUMetric', 'CRFIoUMetric')
COMPETITIONS = ('comp5', 'comp6')


def set_test_outputs(
    cfg: Config, *, crf: bool = False, out: str | None = None, format_only: bool = False
) -> None:
    """Change the test evaluator (and with ``format_only`` the pipeline) of a config in place.

    Args:
        cfg: A segmentation config; without an IoU metric it is refused.
        crf: Refine the predictions and report mIoU with and without the CRF.
        out: A folder for the predictions, as palette PNGs.
        format_only: Write the predictions only: no ground truth is read.
    """
    if format_only and out is None:
        raise ValueError('--format-only writes predictions and needs --out DIR.')
    if not (crf or out):
        return
    evaluators = cfg.get('test_evaluator') or []
    evaluators = evaluators if isinstance(evaluators, Sequence) else [evaluators]
    metrics = [metric for metric in evaluators if type_name(metric) in _IOU_METRICS]
    if not metrics:
        raise ValueError(
            '--crf, --out and --format-only change the IoU metric of a segmentation config; its '
            f'test_evaluator has {", ".join(map(type_name, evaluators)) or "no metric"}. Add '
            "dict(type='PaletteIoUMetric')."
        )
    dataset = cfg.test_dataloader.dataset
    for metric in metrics:
        if crf:
            metric['type'] = 'mmseg.CRFIoUMetric'
        elif type_name(metric) == 'IoUMetric':
            metric['type'] = 'mmseg.PaletteIoUMetric'
        if out is not None:
            metric['output_dir'] = str(out)
        if format_only:
            metric['format_only'] = True  # the server wants all files in one folder
        elif out is not None:
            metric['image_dirs'] = _image_dirs(dataset)
    if format_only:
        cfg.test_evaluator = metrics
        for part in datasets_in(dataset):
            part.pipeline = _without_annotations(part.pipeline)


def set_tta(cfg: Config, *, scores: bool = False) -> None:
    """Test with the config's test-time augmentation, ``tta_pipeline`` and ``tta_model``.

    With ``scores`` the metric needs ``seg_logits``. mmseg's ``SegTTAModel`` leaves those of the
    last pass in its result; its twin of this package, with the same predictions, takes its place.
    """
    if lacking := [key for key in ('tta_pipeline', 'tta_model') if key not in cfg]:
        raise ValueError(
            f'--tta needs {" and ".join(lacking)} in the config; '
            'configs/_base_/datasets/voc12aug.py and configs/_base_/msws_runtime.py show them.'
        )
    model = ConfigDict(cfg.tta_model)
    if scores and type_name(model) == 'SegTTAModel':
        model.update(type='mmseg.MultiScaleFusionTTA', fuse='probabilities', append_max=False)
    cfg.model = ConfigDict(**model, module=cfg.model)
    for part in datasets_in(cfg.test_dataloader.dataset):
        part.pipeline = cfg.tta_pipeline


def set_visualization(
    cfg: Config, *, show: bool = False, show_dir: str | None = None, wait_time: float = 2
) -> None:
    """Paint the predictions during the test, with the config's visualization hook.

    With ``show`` in a window, for ``wait_time`` seconds each; into files in ``show_dir``. The
    config, of mmseg or of mmpretrain, whose hooks differ, is changed in place.
    """
    hook = (cfg.get('default_hooks') or {}).get('visualization')
    if hook is None:
        raise ValueError(
            '--show and --show-dir need a visualization hook in default_hooks of the config: '
            "visualization=dict(type='SegVisualizationHook')."
        )
    hook.setdefault('interval', 1)  # the hooks' own defaults paint few of the images
    if type_name(hook) == 'VisualizationHook':  # mmpretrain's
        hook.update(enable=True, show=show, wait_time=wait_time, out_dir=show_dir)
        return
    hook.update(draw=True, show=show, wait_time=wait_time)
    if show_dir is not None:
        cfg.visualizer['save_dir'] = show_dir
        if type_name(hook) == 'SegVisualizationHook':  # a user's own has other arguments
            image_dirs = _image_dirs(cfg.test_dataloader.dataset)
            hook.update(
                type='mmseg.FolderVisualizationHook', out_dir=str(show_dir), image_dirs=image_dirs
            )


def submission_dir(out: str | Path, competition: str) -> Path:
    """Name the folder in ``out`` in which the VOC test server looks for the predictions.

    ``competition`` is ``'comp5'`` (trained on VOC's own data only) or ``'comp6'`` (on other data
    too). A folder that holds predictions, which would end up in the archive, is refused.
    """
    folder = Path(out, 'results', 'VOC2012', 'Segmentation', f'{competition}_test_cls')
    if folder.is_dir() and any(folder.iterdir()):
        raise FileExistsError(
            f'{folder} holds predictions of an earlier run. Remove it, or choose another --out.'
        )
    return folder


def pack_submission(folder: Path, expected: int) -> Path:
    """Pack the predictions in :func:`submission_dir` into ``results.tar.gz`` beside ``results``.

    A ValueError where there is not one for each of the ``expected`` images.
    """
    predictions = sorted(folder.glob('*.png'))
    if len(predictions) != expected:
        raise ValueError(
            f'{folder} holds {len(predictions)} predictions of {expected} images. Was the test '
            'stopped?'
        )
    root = folder.parents[3]
    archive = root / 'results.tar.gz'

    def write(path: Path) -> None:
        with tarfile.open(path, 'w:gz') as tar:
            for prediction in predictions:
                tar.add(prediction, arcname=str(prediction.relative_to(root)))

    write_atomically(archive, write)
    return archive


def _image_dirs(dataset: ConfigDict) -> list[str]:
    """The folders of a dataset's images, as configs of mmseg name them, also inside wrappers."""
    folders = []
    for part in datasets_in(dataset):
        folder = (part.get('data_prefix') or {}).get('img_path') or ''
        folders.append(os.path.join(part.get('data_root') or '', folder))
    return [folder for folder in folders if folder]


def _without_annotations(pipeline: Sequence) -> list:
    """The pipeline without the transforms that read ground truth, also inside TestTimeAug."""
    kept = []
    for step in pipeline:
        if isinstance(step, Sequence):
            # TestTimeAug multiplies its lists: an empty one would leave no pass.
            kept += [inner] if (inner := _without_annotations(step)) else []
        elif 'transforms' in step:
            kept.append(
                ConfigDict({**step, 'transforms': _without_annotations(step['transforms'])})
            )
        elif not type_name(step).endswith('Annotations'):
            kept.append(step)
    return kept

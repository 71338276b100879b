"""Leave a page that one can read behind a training."""

from __future__ import annotations

import platform
from pathlib import Path

import mmcv
import mmengine
import mmseg
import numpy as np
import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmws.evaluation.seed_counts import confusion, rates
from mmws.evaluation.tables import number
from mmws.files.atomic_write import write_atomically
from mmws.files.image_file import BadInputError
from mmws.version import __version__
from mmws.visualization.html_page import HTMLPage
from mmws.visualization.picture_grid import prediction_sheet
from mmws.visualization.plots import confusion_picture, curves
from mmws.visualization.read_picture import read_picture

from .seed_trust_hook import SeedTrustHook

FILE_NAME = 'report.html'
# Number of predictions on the page.
_PICTURES = 4


@HOOKS.register_module()
class RunReportHook(Hook):
    """Write ``report.html`` into the work dir at the end of a training.

    The page has the curves of the losses and of the validation scores; IoU of each class, the
    confusion matrix and some predictions of the last validation; the trust in each seed, with a
    :class:`SeedTrustHook`; the merged config and the versions. The training is not changed; the
    validation counts pixels. Where processes share it, the images that fill up the last batch
    count twice, as they do not in mmseg's metric.

    Example:
        >>> custom_hooks = [dict(type='mmws.RunReportHook')]
    """

    priority = 'LOWEST'  # what other hooks know at the end is on the page

    def __init__(self):
        self.counts: np.ndarray | None = None
        self._pictures: list[tuple[str, np.ndarray, np.ndarray]] = []

    def before_val_epoch(self, runner) -> None:
        meta = runner.val_dataloader.dataset.metainfo
        self.classes, self.palette = meta.get('classes') or (), meta.get('palette') or ()
        self.counts, self._pictures = None, []
        if self.classes:
            self.counts = np.zeros((len(self.classes) + 1,) * 2, np.int64)

    def after_val_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        for sample in outputs or () if self.counts is not None else ():
            if 'pred_sem_seg' not in sample or 'gt_sem_seg' not in sample:
                continue
            maps = (sample.gt_sem_seg.data[0], sample.pred_sem_seg.data[0])
            truth, found = (labels.to(torch.uint8).cpu().numpy() for labels in maps)
            self.counts += confusion(truth, found, len(self.classes))
            if len(self._pictures) < _PICTURES:
                self._pictures.append((sample.img_path, truth, found))

    def after_val_epoch(self, runner, metrics: dict | None = None) -> None:
        if self.counts is not None:
            total = torch.from_numpy(self.counts).to(next(runner.model.parameters()).device)
            all_reduce(total)
            self.counts = total.cpu().numpy()

    def after_train(self, runner) -> None:
        if not is_main_process():
            return
        page = HTMLPage(f'Training {Path(runner.work_dir).name}')
        scalars = runner.message_hub.log_scalars
        histories = {
            name: np.asarray(buffer.data[0], float)
            for name, buffer in scalars.items()
            if name.startswith('val/') or 'loss' in name
        }
        scores = {
            name.removeprefix('val/'): values[-1]
            for name, values in histories.items()
            if name.startswith('val/') and 'time' not in name
        }
        page.table(['last validation', ''], [[k, f'{v:.4g}'] for k, v in scores.items()])
        wanted = {'train/loss': 'loss', 'val/mIoU': 'mIoU of validations'}
        wanted.update({n: n[6:] for n in histories if n.startswith('train/') and n not in wanted})
        panels = {title: histories[name] for name, title in wanted.items() if name in histories}
        if panels:
            page.heading('Curves')
            page.picture(curves(dict(list(panels.items())[:4])), 'curves of losses and scores')
        if self.counts is not None and self.counts.any():
            self._classes(page)
        for hook in runner.hooks:
            if isinstance(hook, SeedTrustHook) and hook.history:
                page.heading('Trust in each seed, at the end')
                last = hook.history[-1]
                # None, where a seed was not seen, becomes NaN.
                values = np.array([last['weight'], last['agreement']], float).T
                rows = [
                    [name, *(number(value, '.3g') for value in row)]
                    for name, row in zip(hook.names, values, strict=True)
                ]
                page.table(['seed', 'weight (1 is average)', 'agrees'], rows)
        page.heading('Versions')
        hosts = [[m.__name__, m.__version__] for m in (torch, mmengine, mmcv, mmseg)]
        own = [['mmws', __version__], ['Python', platform.python_version()]]
        page.table(['', ''], own + hosts)
        page.heading('Config')
        page.code(runner.cfg.pretty_text)
        write_atomically(Path(runner.work_dir, FILE_NAME), page.render().encode())

    def _classes(self, page: HTMLPage) -> None:
        known = self.counts[:-1, :-1]
        iou, shares = rates(self.counts).iou, known.sum(1) / max(known.sum(), 1)
        page.heading('IoU of each class')
        wrong = known - np.diag(np.diagonal(known))
        rows = []
        for label, name in enumerate(self.classes):
            other = wrong[label].argmax()
            share = wrong[label, other] / max(known[label].sum(), 1)
            most = f'{self.classes[other]} ({share:.0%})' if share else ''
            rows.append([name, number(iou[label], '.3g', times=100), f'{shares[label]:.1%}', most])
        page.table(['class', 'IoU', 'pixels', 'most often taken for'], rows)
        page.picture(confusion_picture(known, self.classes), 'confusion matrix')
        try:
            images = [read_picture(path) for path, *_ in self._pictures]
        except BadInputError:  # they are behind a backend, or gone
            return
        if images:
            page.heading('Predictions')
            columns = {'image': images}
            for place, title in enumerate(('ground truth', 'prediction'), 1):
                columns[title] = [picture[place] for picture in self._pictures]
            page.picture(prediction_sheet(columns, self.classes, self.palette), 'predictions')

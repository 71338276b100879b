"""The whole method on small data, from image-level labels to a page of results."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from mmws.evaluation.seed_counts import Rates, confusion, rates
from mmws.files.atomic_write import write_atomically
from mmws.files.image_file import read_image
from mmws.files.label_map import UNKNOWN, read_label_map
from mmws.run_config import checkpoint_file
from mmws.seeds.cam import upsample_cam
from mmws.seeds.cam_store import read_cams
from mmws.visualization.colours import overlay_cam
from mmws.visualization.html_page import HTMLPage
from mmws.visualization.picture_grid import picture_grid, prediction_sheet
from mmws.visualization.plots import right_weight_curves
from mmws.visualization.wst_view import WSTView, load_segmentor

from .cells import CLASSIFIERS, MASKS, SINGLES, TWELVE, Training
from .data import LISTS
from .jobs import Job
from .small_data import SmallData
from .table_run import TableRun
from .training_run import TrainingRun, project_root, training_log


class Demo:
    """Both stages on small data.

    Args:
        data: The images, and stage one.
        epochs: Of stage two, instead of the number in its config.
    """

    def __init__(self, data: SmallData, *, epochs: int | None = None):
        self.data = data
        self.page = data.folder / 'index.html'
        self._seed_scores = data.folder / 'seed_scores.json'
        self._table = TableRun('table6', data, epochs=epochs)

    def check(self) -> None:
        """Refuse, by a FileExistsError, the folder of a demo with other settings."""
        self.data.check(self._table.trainings)
        for training in self._table.table.trainings.values():
            self.run(training).check()

    def run(self, training: Training) -> TrainingRun:
        """One training of stage two."""
        return self._table.run(training, self.data.seed)

    def first_jobs(self) -> list[Job]:
        """Stage one, the scores of the seeds, and the training with the ground truth."""
        return [*self.data.jobs([TWELVE]), self.run(MASKS).job(), self._score_seeds()]

    def second_jobs(self) -> list[Job]:
        """Stage two, but for the training with the ground truth."""
        return [self.run(training).job() for training in self.cells.values() if training.seeds]

    @cached_property
    def cells(self) -> dict[str, Training]:
        """What is compared, worst first.

        The best single seed is the best by the masks of the training images, which image-level
        supervision does not have: a favour to the baseline.
        """
        best = max(SINGLES, key=lambda single: self.seed_scores()[single.seeds[0]]['miou'])
        return {
            f'best single seed ({best.seeds[0]})': best,
            'twelve seeds, plain average': TWELVE.by('plain'),
            'twelve seeds, WST': TWELVE,
            'majority vote of the twelve as one label': TWELVE.by('vote'),
            'trained with the masks': MASKS,
        }

    def seed_scores(self) -> dict[str, dict]:
        """What tools/eval_seeds.py found: seed -> ``miou``, ``precision``, ... as shares."""
        return json.loads(self._seed_scores.read_text())['scores']

    def _score_seeds(self) -> Job:
        root = self.data.root
        command = [
            *(sys.executable, project_root() / 'tools' / 'eval_seeds.py', root / 'seeds'),
            *('--gt', root / 'SegmentationClassAug', '--num-classes', len(self.data.classes)),
            *('--json', self._seed_scores, '--workers', 0, '--list', root / LISTS / 'train.txt'),
        ]
        return Job(
            name='scores of the seeds',
            steps=lambda: [command],
            log=self.data.folder / 'eval_seeds.log',
            done=self._seed_scores.is_file,
            needs=tuple(source.name for source in TWELVE.sources),
        )

    def rates(self, training: Training) -> Rates:
        """How good the predictions of a network are on the held-out images."""
        folder, classes = self.run(training).predictions, len(self.data.classes)
        counts = 0
        for image_id in self._ids('val'):
            predicted = read_label_map(folder / f'{image_id}.png')
            counts += confusion(self._map('SegmentationClassAug', image_id), predicted, classes)
        return rates(counts)

    def write_page(self) -> None:
        """Write ``index.html``."""
        page = HTMLPage('Twelve seeds from image-level labels')
        page.text(
            f'{self.data.train} images with image-level labels, {self.data.val} held out for the '
            'figures here. Two classifiers give class activation maps at three scales; each '
            'becomes a threshold seed and a CRF seed: twelve label maps an image, all wrong '
            'somewhere. A LargeFOV network learns from all of them at once, starting from the '
            'VGG16 classifier. One run of each, so a difference of a point or two says little.'
        )
        page.heading('Results on held-out images')
        found = {title: self.rates(training) for title, training in self.cells.items()}
        page.table(
            ['trained with', 'mIoU', *self.data.classes],
            [[title, *(f'{v:.1%}' for v in (r.miou, *r.iou))] for title, r in found.items()],
            strong=[list(self.cells.values()).index(TWELVE)],
        )
        page.text('IoU of each class in the columns to the right.')
        page.picture(self.prediction_sheet(), 'predictions')
        page.heading('The seeds (training images)')
        columns = ('miou', 'precision', 'recall', 'coverage')
        page.table(
            ['seed', 'mIoU', 'precision', 'recall', 'labelled pixels'],
            [[n, *(f'{row[c]:.1%}' for c in columns)] for n, row in self.seed_scores().items()],
        )
        page.text(
            'Unknown pixels are misses. The per-pixel oracle picks the right seed wherever one is '
            'right: what a perfect selection could reach.'
        )
        ids = self._several_classes('train', 2)
        page.picture(self._seed_sheet(ids[0]), 'CAMs and seeds of one image')
        page.heading('What weighted selective training makes of them')
        page.text(
            'Each seed is weighted at each pixel by whether it agrees with the prediction of the '
            'network (Eq. 6). Below the seeds: their weights, bright where a seed is believed.'
        )
        for sheet in self._wst_sheets(ids):
            page.picture(sheet, 'seeds and their weights')
        page.text(
            'How much of the weight lies on the right label while the network learns, the mean '
            'over the classes of training images, against equal weights.'
        )
        log = training_log(self.run(TWELVE).folder)
        page.picture(right_weight_curves({'twelve seeds': {'WST': log}}), 'weight of right labels')
        write_atomically(self.page, page.render().encode())

    def prediction_sheet(self) -> np.ndarray:
        """Draw held-out images, their masks, and what each network says."""
        ids = self._several_classes('val', 6)
        columns = {
            'image': [self._image(image_id) for image_id in ids],
            'ground truth': [self._map('SegmentationClassAug', image_id) for image_id in ids],
        }
        for title, training in self.cells.items():
            folder = self.run(training).predictions
            columns[title] = [read_label_map(folder / f'{image_id}.png') for image_id in ids]
        return prediction_sheet(columns, self.data.classes, self.data.palette)

    def _seed_sheet(self, image_id: str) -> np.ndarray:
        image, saliency = self._image(image_id), self._map('saliency', image_id)
        truth = self._map('SegmentationClassAug', image_id)
        rows = [
            {'image': image, 'ground truth': truth, 'saliency': np.stack([saliency] * 3, axis=-1)}
        ]
        for network in CLASSIFIERS:
            cams = read_cams(self.data.folder / 'cams' / network / f'{image_id}.npz')
            rows.append(
                {
                    f'{network} CAM {self.data.classes[class_id + 1]} x{scale}': overlay_cam(
                        image, upsample_cam(maps, image.shape[:2])[index]
                    )
                    for index, class_id in enumerate(cams.class_ids[:2])
                    for scale, maps in cams.maps.items()
                }
            )
        for i in range(0, len(TWELVE.seeds), 6):
            names = TWELVE.seeds[i : i + 6]
            rows.append({name: self._map(f'seeds/{name}', image_id) for name in names})
        rows = [list(row.items()) for row in rows]
        return picture_grid(rows, self.data.classes, self.data.palette, cell_inches=1.7)

    def _wst_sheets(self, ids: Sequence[str]) -> list[np.ndarray]:
        """Draw the prediction, the seeds and their weights, of the network trained with WST."""
        from mmseg.registry import DATASETS

        run = self.run(TWELVE)
        model = load_segmentor(run.config, checkpoint_file(run.folder), device='cpu')
        dataset = DATASETS.build(run.config.train_dataloader.dataset)
        view = WSTView(dataset, gt_dir=self.data.root / 'SegmentationClassAug')
        indices = {image_id: index for index, image_id in enumerate(view.image_ids())}
        return [view.draw(model, indices[image_id])[1] for image_id in ids]

    def _several_classes(self, split: str, count: int) -> list[str]:
        """Images with two classes or more, so that there is something to see, before others."""

        def dull(image_id: str) -> bool:
            return (
                len(set(np.unique(self._map('SegmentationClassAug', image_id))) - {0, UNKNOWN}) < 2
            )

        return sorted(self._ids(split)[: 10 * count], key=dull)[:count]

    def _ids(self, split: str) -> list[str]:
        return (self.data.root / LISTS / f'{split}.txt').read_text().split()

    def _image(self, image_id: str) -> np.ndarray:
        return read_image(self.data.root / 'JPEGImages' / f'{image_id}.jpg')

    def _map(self, folder: str, image_id: str) -> np.ndarray:
        return read_label_map(self.data.root / folder / f'{image_id}.png')

"""The whole method on small data, from image-level labels to a page of results."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmws.evaluation.seed_scores import Rates, confusion, rates
from mmws.files.atomic_write import write_atomically
from mmws.files.image_file import read_image
from mmws.files.label_map import read_label_map
from mmws.seeds.cam import upsample_cam
from mmws.seeds.cam_store import read_cams
from mmws.visualization.html_page import HTMLPage
from mmws.visualization.prediction_sheet import prediction_sheet
from mmws.visualization.seed_sheet import overlay_cam, seed_sheet
from mmws.visualization.training_curves import right_weight_curves, training_curves

from .cell_run import CellRun, training_log
from .jobs import Job
from .paths import project_root
from .small_data import CLASSIFIERS, SmallData

# The four seeds of one scale each that configs/tables has a config for; the best one is trained.
SINGLES = tuple(f'{net}_{kind}' for net in CLASSIFIERS for kind in ('threshold', 'crf'))
TWELVE = {
    '12seeds_plain': 'twelve seeds, plain average',
    '12seeds': 'twelve seeds, WST',
    '12seeds_vote': 'majority vote of the twelve as one label',
}
_WST = '12seeds'
_TRUTH = 'ground truth'


@dataclass(frozen=True)
class Demo:
    """Both stages on small data.

    Attributes:
        data: The images, and stage one.
        epochs: Of stage two, instead of the number in its config.
        seed: Of the trainings of stage two.
    """

    data: SmallData
    epochs: int | None = None
    seed: int = 0

    @property
    def folder(self) -> Path:
        return self.data.folder

    @property
    def page(self) -> Path:
        return self.folder / 'index.html'

    def check(self) -> None:
        """Refuses the folder of a demo with other settings, and claims it.

        Raises:
            FileExistsError: It holds one.
            FileNotFoundError: There are not enough masks.
        """
        for config in ('gt', *TWELVE, *SINGLES):
            self.cell(config).check()
        self.data.claim()

    def first_jobs(self) -> list[Job]:
        """Stage one, the scores of the seeds, and the training with the ground truth."""
        jobs = self.data.jobs(seeds=CLASSIFIERS)
        return [*jobs, self.cell('gt').job(), self._score_seeds()]

    def best_single(self) -> str:
        """The config of the best of :data:`SINGLES`, by the masks of the training images.

        Picked with masks that image-level supervision does not have: a favour to the baseline.
        """
        scores = self.seed_scores()
        return max(SINGLES, key=lambda config: scores[f'{config}_x1.0']['miou'])

    def cells(self) -> dict[str, str]:
        """The trainings of the second stage: config -> what to call it, worst first."""
        best = self.best_single()
        return {best: f'best single seed ({best}_x1.0)', **TWELVE, 'gt': 'trained with the masks'}

    def second_jobs(self) -> list[Job]:
        """Stage two, but for the training with the ground truth."""
        return [self.cell(config).job() for config in self.cells() if config != 'gt']

    def cell(self, config: str) -> CellRun:
        """The training of one config."""
        needs = ('vgg16 classifier',)
        if config != 'gt':
            needs += tuple(f'{net} seeds' for net in CLASSIFIERS)
        options = self.data.options(config, epochs=self.epochs, seed=self.seed)
        options = [o for o in options if not o.startswith('train_cfg.val_interval')]
        return CellRun(
            name=f'training: {config}',
            config=project_root() / 'configs' / 'tables' / 'shapes' / f'{config}.py',
            folder=self.folder / 'cells' / config,
            epochs=self.epochs,
            # For the curves.
            options=[*options, 'train_cfg.val_interval=1'],
            needs=needs,
        )

    def seed_scores(self) -> dict[str, dict]:
        """What tools/eval_seeds.py found: seed -> ``miou``, ``precision``, ... as shares."""
        return json.loads(self._seed_scores.read_text())['scores']

    @property
    def _seed_scores(self) -> Path:
        return self.folder / 'seed_scores.json'

    def _score_seeds(self) -> Job:
        root = self.data.root
        command = [
            *(sys.executable, project_root() / 'tools' / 'eval_seeds.py', root / 'seeds'),
            *('--gt', root / 'SegmentationClassAug', '--num-classes', len(self.data.classes)),
            *('--json', self._seed_scores, '--workers', 1),
            *('--list', root / 'ImageSets' / 'Segmentation' / 'train.txt'),
        ]
        return Job(
            name='scores of the seeds',
            commands=[command],
            log=self.folder / 'eval_seeds.log',
            done=self._seed_scores.is_file,
            needs=tuple(f'{net} seeds' for net in CLASSIFIERS),
            device=False,
        )

    def rates(self, config: str) -> Rates:
        """How good the predictions of a trained cell are on the held-out images."""
        classes = len(self.data.classes)
        counts = np.zeros((classes, classes + 1), np.int64)
        for image_id in self._ids('val'):
            predicted = read_label_map(self.cell(config).predictions / f'{image_id}.png')
            counts += confusion(self._truth(image_id), predicted, classes)
        return rates(counts)

    def write_page(self) -> None:
        """Writes ``index.html``."""
        cells = self.cells()
        found = {config: self.rates(config) for config in cells}
        page = HTMLPage('Twelve seeds from image-level labels')
        page.text(
            f'{self.data.train} images with image-level labels, {self.data.val} held out for the '
            'figures here. Two classifiers give class activation maps at three scales; each '
            'becomes a threshold seed and a CRF seed: twelve label maps an image, all wrong '
            'somewhere. A LargeFOV network learns from all of them at once, starting from the '
            'VGG16 classifier. One run of each, so a difference of a point or two says little.'
        )
        page.heading('Results on held-out images')
        page.table(
            ['trained with', 'mIoU', *self.data.classes],
            [
                [title, f'{found[config].miou:.1%}', *(f'{v:.1%}' for v in found[config].iou)]
                for config, title in cells.items()
            ],
            strong=[list(cells).index(_WST)],
        )
        page.text('IoU of each class in the columns to the right.')
        page.picture(
            training_curves(
                {title: training_log(self.cell(config).folder) for config, title in cells.items()}
            ),
            'training curves',
        )
        page.heading('The seeds (training images)')
        page.table(
            ['seed', 'mIoU', 'precision', 'recall', 'labelled pixels'],
            [
                [name, *(f'{row[key]:.1%}' for key in ('miou', 'precision', 'recall', 'coverage'))]
                for name, row in self.seed_scores().items()
            ],
        )
        page.text(
            'Unknown pixels are misses. The per-pixel oracle picks the right seed wherever one is '
            'right: what a perfect selection could reach.'
        )
        ids = self.shown_ids()
        page.picture(self._seed_sheet(ids[0]), 'CAMs and seeds of one image')
        page.heading('What weighted selective training makes of them')
        page.text(
            'Each seed is weighted at each pixel by whether it agrees with the prediction of the '
            'network (Eq. 6). Below the seeds: their weights, bright where a seed is believed.'
        )
        for sheet in self.wst_sheets(ids[:2]):
            page.picture(sheet, 'seeds and their weights')
        page.text(
            'How much of the weight lies on the right label while the network learns, the mean '
            'over the classes of training images, against equal weights.'
        )
        log = training_log(self.cell(_WST).folder)
        page.picture(right_weight_curves({'twelve seeds': {'WST': log}}), 'weight of right labels')
        page.heading('Predictions on held-out images')
        page.picture(self.prediction_sheet(cells), 'predictions')
        write_atomically(self.page, page.render().encode())

    def shown_ids(self, count: int = 3) -> list[str]:
        """Training images with two classes or more, so that there is something to see."""
        several = []
        for image_id in self._ids('train'):
            labels = np.unique(self._truth(image_id))
            if np.count_nonzero((labels > 0) & (labels < 255)) >= 2:
                several.append(image_id)
            if len(several) == count:
                return several
        return self._ids('train')[:count]

    def prediction_sheet(self, cells: dict[str, str], count: int = 8) -> np.ndarray:
        """Held-out images, their masks, and what each network says."""
        ids = self._ids('val')[:count]
        columns = {
            'image': [self._image(image_id) for image_id in ids],
            _TRUTH: [self._truth(image_id) for image_id in ids],
        }
        for config, title in cells.items():
            folder = self.cell(config).predictions
            columns[title] = [read_label_map(folder / f'{image_id}.png') for image_id in ids]
        return prediction_sheet(columns, self.data.classes, self.data.palette)

    def _seed_sheet(self, image_id: str) -> np.ndarray:
        image, truth = self._image(image_id), self._truth(image_id)
        saliency = read_label_map(self.data.root / 'saliency' / f'{image_id}.png')
        rows: list[dict] = [
            {'image': image, _TRUTH: truth, 'saliency': np.stack([saliency] * 3, axis=-1)}
        ]
        for net in CLASSIFIERS:
            cams = read_cams(self.folder / 'cams' / net / f'{image_id}.npz')
            rows.append(
                {
                    f'{net} CAM {self.data.classes[class_id + 1]} x{scale}': overlay_cam(
                        image, upsample_cam(maps, image.shape[:2])[index]
                    )
                    for index, class_id in enumerate(cams.class_ids[:2])
                    for scale, maps in cams.maps.items()
                }
            )
        seeds = self._seeds(image_id)
        names = list(seeds)
        rows += [{name: seeds[name] for name in names[i : i + 6]} for i in range(0, len(names), 6)]
        return seed_sheet(rows, self.data.classes, self.data.palette, title='', cell_inches=1.7)

    def wst_sheets(self, ids: Sequence[str]) -> list[np.ndarray]:
        """The online prediction, the seeds and their weights, of the network trained with WST."""
        from mmengine.config import Config
        from mmseg.registry import DATASETS

        from mmws.run_config import checkpoint_file
        from mmws.visualization.wst_view import WSTView, load_segmentor

        folder = self.cell(_WST).folder
        config = Config.fromfile(folder / f'{_WST}.py')
        model = load_segmentor(config, checkpoint_file(folder), device='cpu')
        dataset = DATASETS.build(config.train_dataloader.dataset)
        view = WSTView(dataset, gt_dir=self.data.root / 'SegmentationClassAug')
        indices = {image_id: index for index, image_id in enumerate(view.image_ids())}
        return [view.draw(model, indices[image_id])[1] for image_id in ids]

    def _ids(self, split: str) -> list[str]:
        path = self.data.root / 'ImageSets' / 'Segmentation' / f'{split}.txt'
        return path.read_text().split()

    def _image(self, image_id: str) -> np.ndarray:
        return read_image(self.data.root / 'JPEGImages' / f'{image_id}.jpg')

    def _truth(self, image_id: str) -> np.ndarray:
        return read_label_map(self.data.root / 'SegmentationClassAug' / f'{image_id}.png')

    def _seeds(self, image_id: str) -> dict[str, np.ndarray]:
        folders = sorted((self.data.root / 'seeds').iterdir(), reverse=True)
        return {f.name: read_label_map(f / f'{image_id}.png') for f in folders if f.is_dir()}

"""Draw seeds and their WST weights: python tools/visualize_wst.py CONFIG CHECKPOINT --out DIR"""

import argparse
import sys
from pathlib import Path

from PIL import Image

from mmws.files.arguments import add_arguments, at_least, read_config
from mmws.files.progress_bar import ProgressBar
from mmws.run_config import checkpoint_file, own_device
from mmws.visualization.wst_view import WSTView, load_segmentor, spread

from mmseg.registry import DATASETS  # isort: skip


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='One PNG an image, as Figure 4 of the paper: the online prediction of a model, '
        'the seeds of a training image, and how far weighted selective training believes each.'
    )
    parser.add_argument('config', help='config file; its training set has the seeds')
    parser.add_argument('checkpoint', help='checkpoint file, or a work dir: its newest one')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/wst_sheets'),
        help='folder of the sheets (%(default)s)',
    )
    parser.add_argument('--gt', metavar='DIR', help='ground-truth label maps, named as the seeds')
    parser.add_argument('--ids', nargs='+', help='image ids')
    parser.add_argument(
        '--limit',
        type=at_least(1),
        default=20,
        metavar='N',
        help='N images, spread over the training set',
    )
    add_arguments(parser, 'cfg-options', 'device')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = read_config(args.config, args.cfg_options)
    try:
        model = load_segmentor(
            cfg, checkpoint_file(args.checkpoint), device=args.device or own_device()
        )
    except (FileNotFoundError, ValueError) as error:
        sys.exit(str(error))
    view = WSTView(DATASETS.build(cfg.train_dataloader.dataset), gt_dir=args.gt)
    if args.ids:
        known = {image_id: index for index, image_id in enumerate(view.image_ids())}
        missing = [image_id for image_id in args.ids if image_id not in known]
        if missing:
            sys.exit(f'The training set has no image {", ".join(missing)}.')
        indices = [known[image_id] for image_id in args.ids]
    else:
        indices = spread(args.limit, len(view))
    bar = ProgressBar(len(indices))
    for index in indices:
        image_id, sheet = view.draw(model, index)
        path = args.out / f'{image_id}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet).save(path)
        bar.advance()
    bar.close()
    print(f'{len(indices)} sheets in {args.out}')


if __name__ == '__main__':
    main()

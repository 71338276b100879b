"""Make saliency maps of a folder of images: python tools/generate_saliency.py CONFIG CKPT DIR.

    python tools/generate_saliency.py configs/saliency/dss_vgg16_msra-b.py dss.pth \\
        data/VOCdevkit/VOC2012/JPEGImages --out data/VOCdevkit/VOC2012/saliency
    python tools/generate_saliency.py --onnx u2net.onnx data/mine/JPEGImages \\
        --out data/mine/saliency

A second run finishes what the first left. Under torchrun or srun each process makes its share.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmengine.config import DictAction

from mmws.checkpoint import model_identity
from mmws.files.arguments import add_arguments, at_least, read_config
from mmws.files.id_list import IMAGE_SUFFIXES
from mmws.files.worker_pool import share_of_work
from mmws.run_config import own_device
from mmws.saliency.onnx_saliency import ONNXSaliency
from mmws.saliency.predictor import Predictor, load_dss
from mmws.saliency.saliency_generation import SaliencyGeneration, find_all_images


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'network',
        nargs='*',
        metavar='CONFIG CHECKPOINT',
        help='a config of configs/saliency and its checkpoint; none with --onnx',
    )
    parser.add_argument('images', type=Path, help='folder of images; those below it count too')
    parser.add_argument('--out', type=Path, required=True, help='folder of the maps, <id>.png')
    parser.add_argument(
        '--onnx', type=Path, metavar='FILE', help='U2-Net, IS-Net or their like in place of DSS'
    )
    parser.add_argument(
        '--mean',
        type=float,
        nargs=3,
        help='with --onnx: of RGB in [0, 1] (of ImageNet; IS-Net: .5)',
    )
    parser.add_argument(
        '--std', type=float, nargs=3, help='with --onnx: likewise (of ImageNet; IS-Net: 1)'
    )
    parser.add_argument(
        '--outputs',
        nargs='+',
        metavar='NAME',
        help='outputs to average: side1 ... side6, fuse (the config: side3 side4 side5 fuse)',
    )
    parser.add_argument(
        '--no-min-max', action='store_true', help='do not stretch each map to 0 ... 255'
    )
    parser.add_argument('--crf', action='store_true', help='refine by DenseCRF')
    parser.add_argument(
        '--crf-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='iterations, bilateral_sxy, bilateral_srgb, bilateral_compat, gaussian_sxy, '
        'gaussian_compat',
    )
    parser.add_argument(
        '--max-size',
        type=at_least(1),
        metavar='N',
        help='shrink larger images to N pixels for the network',
    )
    add_arguments(parser, 'cfg-options', 'device', 'limit', 'list', 'overwrite', 'workers')
    args = parser.parse_intermixed_args(argv)
    if len(args.network) != (2 if args.onnx is None else 0):
        parser.error('give CONFIG CHECKPOINT and the images, or --onnx FILE and the images')
    for name in ('mean', 'std') if args.onnx is None else ('outputs', 'max_size', 'cfg_options'):
        if getattr(args, name) is not None:
            used = 'is for --onnx' if args.onnx is None else 'is for DSS, not for --onnx'
            parser.error(f'--{name.replace("_", "-")} {used}')
    if args.overwrite and share_of_work()[1] > 1:
        parser.error("--overwrite: several processes would empty each other's folder")
    if args.crf_options and not args.crf:
        parser.error('--crf-options needs --crf')
    return args


def dss(args: argparse.Namespace) -> tuple[Predictor, dict]:
    """Open DSS; the second is what its maps depend on."""
    config, checkpoint = args.network
    cfg = read_config(config, args.cfg_options)
    if args.outputs:
        cfg.merge_from_dict({'model.test_cfg.outputs': args.outputs})
    if args.no_min_max:
        cfg.merge_from_dict({'model.test_cfg.min_max': False})
    model = load_dss(cfg, checkpoint, args.device or own_device())
    network = {key: cfg.model[key] for key in cfg.model if key not in ('test_cfg', 'train_cfg')}
    predict = Predictor(model, cfg.test_dataloader.dataset.pipeline, longest=args.max_size)
    identity = model_identity(model, network)
    return predict, dict(predict.recipe, model=identity, fusion=dict(cfg.model.test_cfg))


def onnx(args: argparse.Namespace) -> tuple[ONNXSaliency, dict]:
    """Open an ONNX file; the second is what its maps depend on."""
    given = {name: getattr(args, name) for name in ('mean', 'std') if getattr(args, name)}
    predict = ONNXSaliency(args.onnx, min_max=not args.no_min_max, device=args.device, **given)
    return predict, predict.recipe


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    images, skipped = find_all_images(args.images, listed=args.list, out=args.out)
    if skipped:
        print(
            f'{len(skipped)} files in {args.images} have no suffix of an image '
            f'({" ".join(IMAGE_SUFFIXES)}) and are left out, the first: {skipped[0]}'
        )
    predict, recipe = dss(args) if args.onnx is None else onnx(args)
    generation = SaliencyGeneration(
        images,
        args.out,
        predict=predict,
        recipe=recipe,
        crf=(args.crf_options or {}) if args.crf else None,
        workers=args.workers,
        share=share_of_work()[:2],
        limit=args.limit,
    )
    generation.prepare(overwrite=args.overwrite)
    report = generation.run()
    print(report.summary(noted='have maps without contrast: nothing stands out in them.'))
    return 1 if report.failed else 0


if __name__ == '__main__':
    sys.exit(main())

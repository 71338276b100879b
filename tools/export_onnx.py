"""Write a segmentor as an ONNX file and compare both.

    python tools/export_onnx.py CONFIG CHECKPOINT --out model.onnx

ends with exit status 1 if the file does not say what the model says.
"""

import argparse
import sys
from pathlib import Path

import torch

from mmws.checkpoint import load_weights, read_checkpoint
from mmws.files.arguments import add_arguments, at_least, read_config
from mmws.models.onnx_export import export_onnx, input_bands, onnx_difference
from mmws.run_config import checkpoint_file

from mmseg.apis import init_model  # isort: skip


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file, or a work dir: its newest one')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='the ONNX file')
    parser.add_argument(
        '--size',
        type=at_least(1),
        nargs=2,
        default=(321, 321),
        metavar=('H', 'W'),
        help='of the image',
    )
    parser.add_argument('--fixed-size', action='store_true', help='take images of --size only')
    parser.add_argument(
        '--opset', type=int, default=17, help='version of the operators (%(default)s)'
    )
    parser.add_argument(
        '--tolerance',
        type=float,
        default=1e-4,
        help='largest difference of two logits, as a part of the largest logit',
    )
    add_arguments(parser, 'cfg-options')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = read_config(args.config, args.cfg_options)
    model = init_model(cfg, device='cpu')
    try:
        path = checkpoint_file(args.checkpoint)
        checkpoint = read_checkpoint(path)
        load_weights(model, checkpoint, path)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(str(error))
    classes = checkpoint.get('meta', {}).get('dataset_meta', {}).get('classes', ())
    export_onnx(
        model,
        args.out,
        size=args.size,
        fixed_size=args.fixed_size,
        opset=args.opset,
        classes=classes,
    )
    height, width = args.size
    sizes = [(1, height, width), (2, height, width)]
    if not args.fixed_size:
        sizes.append((1, height + 64, width + 19))
    generator = torch.Generator().manual_seed(0)
    bands, largest = input_bands(model), 0.0
    for batch, height, width in sizes:
        images = torch.randn(batch, bands, height, width, generator=generator)
        difference, changed = onnx_difference(model, args.out, images)
        print(
            f'{batch} x {bands} x {height} x {width}: largest difference {difference:.1e} of the '
            f'largest logit, {changed:.3%} of the pixels of another class'
        )
        largest = max(largest, difference)
    if not largest <= args.tolerance:
        sys.exit(
            f'{args.out} differs from the model by {largest:.1e}, more than the tolerance of '
            f'{args.tolerance:.1e}. A model with sizes of its own may need --fixed-size.'
        )
    print(f'{args.out} agrees with the model')


if __name__ == '__main__':
    main()

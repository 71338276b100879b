"""Every family of mmsegmentation 1.2.2: does it train with seeds, and what does it cost?

    python benchmarks/families.py [--only pspnet stdc] [--size 128] [--no-time]
                                  [--state FILE] [--out docs/families.md]

Builds one config of each family without pretrained weights, checks the properties of
``seed_properties.py`` on random images, and times a training step with 12 seeds against a stock
step with one label. Prints a table, and writes it into a page with --out. Exits with 1 where a
family fails for a reason that is not known. Each family runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import sys
import traceback
import warnings
from pathlib import Path
from typing import NamedTuple

import mmseg
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.utils import ProgressBar
from paired import peak_bytes, ratio, seconds_in_turn
from seed_properties import Batch, build_pair, check, every_step

import mmws

# One config of each, the smallest that shows it; names without .py.
FAMILIES = {
    'ANN': 'ann/ann_r50-d8_4xb4-20k_voc12aug-512x512',
    'APCNet': 'apcnet/apcnet_r50-d8_4xb4-80k_ade20k-512x512',
    'BEiT': 'beit/beit-base_upernet_8xb2-160k_ade20k-640x640',
    'BiSeNetV1': 'bisenetv1/bisenetv1_r18-d32_4xb4-160k_cityscapes-1024x1024',
    'BiSeNetV2': 'bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024',
    'BiSeNetV2 OHEM': 'bisenetv2/bisenetv2_fcn_4xb4-ohem-160k_cityscapes-1024x1024',
    'CCNet': 'ccnet/ccnet_r50-d8_4xb4-20k_voc12aug-512x512',
    'CGNet': 'cgnet/cgnet_fcn_4xb4-60k_cityscapes-680x680',
    'ConvNeXt': 'convnext/convnext-tiny_upernet_8xb2-amp-160k_ade20k-512x512',
    'DANet': 'danet/danet_r50-d8_4xb4-20k_voc12aug-512x512',
    'DDRNet': 'ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024',
    'DeepLabV3': 'deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512',
    'DeepLabV3+': 'deeplabv3plus/deeplabv3plus_r50-d8_4xb4-20k_voc12aug-512x512',
    'DMNet': 'dmnet/dmnet_r50-d8_4xb4-80k_ade20k-512x512',
    'DNLNet': 'dnlnet/dnl_r50-d8_4xb4-80k_ade20k-512x512',
    'DPT': 'dpt/dpt_vit-b16_8xb2-160k_ade20k-512x512',
    'DSDL datasets': 'dsdl/voc',
    'EMANet': 'emanet/emanet_r50-d8_4xb2-80k_cityscapes-512x1024',
    'EncNet': 'encnet/encnet_r50-d8_4xb4-20k_voc12aug-512x512',
    'ERFNet': 'erfnet/erfnet_fcn_4xb4-160k_cityscapes-512x1024',
    'FastFCN': 'fastfcn/fastfcn_r50-d32_jpu_psp_4xb4-160k_ade20k-512x512',
    'FastFCN EncNet': 'fastfcn/fastfcn_r50-d32_jpu_enc_4xb4-160k_ade20k-512x512',
    'Fast-SCNN': 'fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024',
    'FCN': 'fcn/fcn_r50-d8_4xb4-20k_voc12aug-512x512',
    'GCNet': 'gcnet/gcnet_r50-d8_4xb4-20k_voc12aug-512x512',
    'HRNet': 'hrnet/fcn_hr18s_4xb4-20k_voc12aug-512x512',
    'ICNet': 'icnet/icnet_r18-d8_4xb2-80k_cityscapes-832x832',
    'ISANet': 'isanet/isanet_r50-d8_4xb4-20k_voc12aug-512x512',
    'K-Net FCN': 'knet/knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512',
    'K-Net UPerNet': 'knet/knet-s3_r50-d8_upernet_8xb2-adamw-80k_ade20k-512x512',
    'MAE': 'mae/mae-base_upernet_8xb2-amp-160k_ade20k-512x512',
    'Mask2Former': 'mask2former/mask2former_r50_8xb2-160k_ade20k-512x512',
    'MaskFormer': 'maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512',
    'MobileNetV2': 'mobilenet_v2/mobilenet-v2-d8_fcn_4xb4-160k_ade20k-512x512',
    'MobileNetV3': 'mobilenet_v3/mobilenet-v3-d8_lraspp_4xb4-320k_cityscapes-512x1024',
    'NonLocal': 'nonlocal_net/nonlocal_r50-d8_4xb4-20k_voc12aug-512x512',
    'OCRNet': 'ocrnet/ocrnet_hr18s_4xb4-20k_voc12aug-512x512',
    'OCRNet ResNet': 'ocrnet/ocrnet_r101-d8_8xb2-40k_cityscapes-512x1024',
    'PIDNet': 'pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes',
    'PointRend': 'point_rend/pointrend_r50_4xb4-160k_ade20k-512x512',
    'PoolFormer': 'poolformer/fpn_poolformer_s12_8xb4-40k_ade20k-512x512',
    'PSANet': 'psanet/psanet_r50-d8_4xb4-20k_voc12aug-512x512',
    'PSPNet': 'pspnet/pspnet_r50-d8_4xb4-20k_voc12aug-512x512',
    'ResNeSt': 'resnest/resnest_s101-d8_fcn_4xb4-160k_ade20k-512x512',
    'SAN': 'san/san-vit-b16_coco-stuff164k-640x640',
    'SegFormer': 'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512',
    'Segmenter': 'segmenter/segmenter_vit-t_mask_8xb1-160k_ade20k-512x512',
    'Segmenter FCN': 'segmenter/segmenter_vit-s_fcn_8xb1-160k_ade20k-512x512',
    'SegNeXt': 'segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512',
    'Semantic FPN': 'sem_fpn/fpn_r50_4xb4-160k_ade20k-512x512',
    'SETR naive': 'setr/setr_vit-l_naive_8xb2-160k_ade20k-512x512',
    'SETR PUP': 'setr/setr_vit-l_pup_8xb2-160k_ade20k-512x512',
    'SETR MLA': 'setr/setr_vit-l-mla_8xb1-160k_ade20k-512x512',
    'STDC': 'stdc/stdc1_4xb12-80k_cityscapes-512x1024',
    'Swin': 'swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512',
    'Twins': 'twins/twins_pcpvt-s_fpn_fpnhead_8xb4-80k_ade20k-512x512',
    'Twins SVT': 'twins/twins_svt-s_uperhead_8xb2-160k_ade20k-512x512',
    'UNet': 'unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64',
    'UNet Dice': 'unet/unet-s5-d16_fcn_4xb4-ce-1.0-dice-3.0-40k_drive-64x64',
    'UPerNet': 'upernet/upernet_r18_4xb4-20k_voc12aug-512x512',
    'ViT': 'vit/vit_deit-s16_upernet_8xb2-160k_ade20k-512x512',
    'VPD': 'vpd/vpd_sd_4xb8-25k_nyu-480x480',
}
# Where a fixed pooling window asks for more than --size.
LEAST_SIZE = {'MobileNetV3': 448}
QUERY = {'Mask2Former', 'MaskFormer', 'SAN'}
REMARKS = {
    **dict.fromkeys(QUERY, "with `dense_loss=dict(type='WSTLoss')`"),
    'PSANet': 'in its `compact` form, which needs no compiled op',
}
NUM_SEEDS = 12


class Result(NamedTuple):
    """One family's line.

    Attributes:
        state: 'trains', 'cannot', 'not run' or 'fails'.
        reason: Why, where it does not train.
        from_seeds: The losses that take every seed.
        from_vote: The losses that take the majority vote.
        time: Of a step with 12 seeds, divided by a stock step's; None where not measured.
        memory: Likewise, of the peak.
    """

    state: str
    reason: str = ''
    from_seeds: tuple[str, ...] = ()
    from_vote: tuple[str, ...] = ()
    time: float | None = None
    memory: float | None = None


def light(cfg: dict, size: int) -> dict:
    """A model's config without weights to download, for one process and small images."""
    if isinstance(cfg, (list, tuple)):
        return type(cfg)(light(item, size) for item in cfg)
    if not isinstance(cfg, dict):
        return cfg
    made = {key: light(value, size) for key, value in cfg.items()}
    made.pop('pretrained', None)
    if str((made.get('init_cfg') or {}) and made['init_cfg']).find('Pretrained') >= 0:
        made.pop('init_cfg')
    if str(made.get('type', '')).endswith('SyncBN'):
        made['type'] = 'BN'
    if made.get('type') in ('BEiT', 'MAE'):  # their position tables do not stretch
        made['img_size'] = (size, size)
    if made.get('type') == 'PSAHead':
        # Its masks are as large as its features, and this form needs no compiled op.
        side = size // 8 // made['shrink_factor']
        made.update(mask_size=(side, side), compact=True)
    if made.get('type') == 'CLIPTextEncoder':  # reads the names of all classes once
        made.update(num_layers=1, templates=['{}'])
    return made


def load(name: str, size: int) -> dict:
    """The light model config of a family."""
    folder = Path(mmseg.__file__).parent / '.mim' / 'configs'
    cfg = Config.fromfile(folder / f'{FAMILIES[name]}.py')
    model = cfg.model
    model.data_preprocessor = None
    return Config(dict(model=light(model.to_dict(), size))).model


def run(name: str, size: int, device: str, rounds: int) -> Result:
    """Builds, checks and times one family."""
    known = _cannot(name)
    if known:
        return known
    size = max(size, LEAST_SIZE.get(name, size))
    options = dict(dense_loss=dict(type='WSTLoss')) if name in QUERY else {}
    stock, model = build_pair(
        load(name, size),
        options,
        device,
        # SAN's init_weights reads CLIP's weights and fails without.
        initialise=name != 'SAN',
    )
    batch = Batch(model.num_classes, size=(size, size), num_seeds=3, device=device)
    report = check(stock, model, batch)
    if report.failures:
        return Result('fails', '; '.join(report.failures))
    notes = [REMARKS[name]] if name in REMARKS else []
    found = Result(
        'trains',
        '; '.join(notes + report.notes),
        tuple(report.from_seeds),
        tuple(report.from_vote),
    )
    if not rounds:
        return found
    batch = Batch(model.num_classes, size=(size, size), num_seeds=NUM_SEEDS, device=device)
    batch = batch.without_unknown()
    stepped = {
        'stock': every_step(stock, batch, batch.seeds[:, :1]),
        'seeds': every_step(model, batch, batch.seeds),
    }
    seconds = seconds_in_turn(stepped, rounds=rounds, device=device)
    peaks = {key: peak_bytes(function, torch.device(device)) for key, function in stepped.items()}
    return found._replace(
        time=ratio(seconds['seeds'], seconds['stock']),
        memory=peaks['seeds'] / max(1, peaks['stock']),
    )


def _cannot(name: str) -> Result | None:
    """What is known before it is tried."""
    if name == 'VPD':
        return Result(
            'cannot', 'regresses depth: its targets are not labels, so no loss takes seeds'
        )
    if name in ('Mask2Former', 'MaskFormer'):
        try:
            import mmdet.models  # noqa: F401  (what mmseg looks for)
        except ImportError:
            return Result('not run', 'needs mmdet, which mmws[query] installs')
    return None


def _in_own_process(name: str, size: int, device: str, rounds: int) -> Result:
    """So that one family's memory, imports and crash are its own."""
    context = multiprocessing.get_context('spawn' if device == 'cuda' else 'fork')
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, name, size, device, rounds))
    process.start()
    sender.close()
    try:
        result = receiver.recv()
    except EOFError:
        result = Result('fails', 'its process died')
    process.join()
    return result


def _send(sender, name: str, size: int, device: str, rounds: int) -> None:
    torch.set_num_threads(1)
    init_default_scope('mmseg')
    # The initialisation of every weight is not of interest, nor is a stock loss's advice.
    MMLogger.get_current_instance().setLevel('ERROR')
    warnings.simplefilter('ignore')
    try:
        result = run(name, size, device, rounds)
    except Exception as error:
        traceback.print_exc()
        result = Result('fails', f'{type(error).__name__}: {str(error).strip()[:200]}')
    sender.send(result)


def table(results: dict[str, Result]) -> str:
    """Markdown."""
    lines = [
        '| family | config | state | time | memory | takes every seed | takes the vote | remark |',
        '|---|---|---|---|---|---|---|---|',
    ]
    for name, r in results.items():
        cells = [
            name,
            f'`{FAMILIES[name]}`',
            r.state,
            '' if r.time is None else f'{r.time:.2f}',
            '' if r.memory is None else f'{r.memory:.2f}',
            _names(r.from_seeds),
            _names(r.from_vote),
            r.reason.replace('|', '/'),
        ]
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def _names(losses: tuple[str, ...]) -> str:
    # A query head has the same losses in every decoder layer.
    shortened = dict.fromkeys(re.sub(r'\.d\d+\.', '.d*.', name) for name in losses)
    return ', '.join(f'`{name}`' for name in shortened)


def _read(state: Path | None, settings: dict) -> dict[str, Result]:
    """The finished families in a file, which is begun where there is none."""
    if state is None:
        return {}
    if not state.exists():
        state.write_text(json.dumps(settings) + '\n')
    first, *lines = map(json.loads, state.read_text().splitlines())
    if first != settings:
        raise SystemExit(f'{state} was made with {first}, and this run is {settings}.')
    return {name: Result(*values) for line in lines for name, values in line.items()}


_START, _END = '<!-- families.py: begin -->', '<!-- families.py: end -->'


def write(path: Path, text: str) -> None:
    """Replaces what stands between the two marks of the page."""
    page = path.read_text()
    if _START not in page or _END not in page:
        raise ValueError(f'{path} has no {_START} ... {_END} for the table to stand in.')
    before, rest = page.split(_START)
    path.write_text(f'{before}{_START}\n\n{text}\n\n{_END}{rest.split(_END)[1]}')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', nargs='+', metavar='TEXT', help='families whose name holds it')
    parser.add_argument('--size', type=int, default=128, help='of the images, divisible by 64')
    parser.add_argument('--rounds', type=int, default=5, help='timed steps')
    parser.add_argument('--no-time', action='store_true', help='check only')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--state', type=Path, help='keeps finished families, for a run to go on')
    parser.add_argument('--out', type=Path, help='a page to write the table into')
    args = parser.parse_args()
    names = [
        name
        for name in FAMILIES
        if not args.only or any(text.lower() in name.lower() for text in args.only)
    ]
    if args.out and args.only:
        parser.error('--out takes the whole table: leave out --only')
    rounds = 0 if args.no_time else args.rounds
    finished = _read(
        args.state,
        dict(
            mmws=mmws.__version__,
            torch=torch.__version__,
            device=args.device,
            size=args.size,
            rounds=rounds,
        ),
    )
    results = {}
    progress = ProgressBar(len(names), file=sys.stderr)
    for name in names:
        results[name] = finished.get(name) or _in_own_process(name, args.size, args.device, rounds)
        if args.state and name not in finished:
            with args.state.open('a') as file:
                file.write(json.dumps({name: results[name]}) + '\n')
        progress.update()
        print(f' {name}: {results[name].state} {results[name].reason}', file=sys.stderr)
    text = table(results)
    states = [r.state for r in results.values()]
    text += (
        f'\n\n{states.count("trains")} of {len(states)} train; '
        f'{states.count("cannot")} cannot, {states.count("not run")} not run, '
        f'{states.count("fails")} fail. mmws {mmws.__version__}, torch {torch.__version__}, '
        f'{args.device}, images of {args.size}x{args.size}, medians of {rounds} rounds.'
    )
    print(text)
    if args.out:
        write(args.out, text)
    return int('fails' in states)


if __name__ == '__main__':
    sys.exit(main())

"""One small model for every way in which mmseg's heads come to their losses.

The properties are those of ``benchmarks/seed_properties.py``; ``benchmarks/families.py`` checks
them for all of mmseg's families.
"""

import copy
import pickle
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmseg.models.decode_heads import PointHead, san_head
from mmseg.registry import MODELS

from mmws.models import WSTLoss, hand_over
from mmws.models.hand_over import SeedBatch
from mmws.models.seed_heads import SeedsOnSemanticMap, semantic_logits
from mmws.models.seed_losses import SeedCrossEntropyLoss, SeedOhemCrossEntropy

sys.path.append(str(Path(__file__).resolve().parents[2] / 'benchmarks'))

from seed_properties import Batch, build_pair, check, step

CLASSES = 5
CE = dict(type='CrossEntropyLoss')
BN = dict(type='BN')
# 4, 8, 16, 32 channels, all but the first at stride 8.
RESNET = dict(type='ResNetV1c', depth=18, base_channels=4, strides=(1, 2, 1, 1), norm_cfg=BN)


@pytest.fixture(autouse=True)
def _mmseg_scope():
    init_default_scope('mmseg')


def head(type_='FCNHead', **options):
    base = dict(
        type=type_,
        in_channels=32,
        in_index=3,
        channels=8,
        num_classes=CLASSES,
        norm_cfg=BN,
        dropout_ratio=0.1,
        align_corners=False,
        loss_decode=CE,
    )
    return {**base, **options}


def fcn(**options):
    return head(**{**dict(num_convs=1, concat_input=False), **options})


def model(decode_head, auxiliary_head=None, *, backbone=RESNET, type_='EncoderDecoder', **options):
    cfg = dict(
        type=type_,
        backbone=backbone,
        decode_head=decode_head,
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
        **options,
    )
    if auxiliary_head is not None:
        cfg['auxiliary_head'] = auxiliary_head
    return cfg


def knet_update():
    return dict(
        type='KernelUpdateHead',
        num_classes=CLASSES,
        num_heads=2,
        feedforward_channels=16,
        in_channels=8,
        out_channels=8,
        dropout=0.0,
        kernel_updator_cfg=dict(
            type='KernelUpdator',
            in_channels=8,
            feat_channels=8,
            out_channels=8,
            act_cfg=dict(type='ReLU', inplace=True),
            norm_cfg=dict(type='LN'),
        ),
    )


def point_rend(type_='PointHead'):
    point_head = dict(
        type=type_,
        in_channels=[4],
        in_index=[0],
        channels=8,
        num_fcs=1,
        coarse_pred_each_layer=True,
        dropout_ratio=-1,
        num_classes=CLASSES,
        align_corners=False,
        loss_decode=CE,
    )
    cfg = model([fcn(), point_head], type_='CascadeEncoderDecoder', num_stages=2)
    cfg['train_cfg'] = dict(num_points=50, oversample_ratio=3, importance_sample_ratio=0.75)
    return cfg


def ohem(**options):
    return dict(type='OhemCrossEntropy', min_kept=10**6, **options)


def real_time(name, *losses, **options):
    """The head and the backbone of DDRNet and PIDNet."""
    return model(
        dict(
            type=f'{name[:3]}Head',
            in_channels=32,
            channels=8,
            num_classes=CLASSES,
            norm_cfg=BN,
            align_corners=True,
            loss_decode=list(losses),
        ),
        backbone=dict(type=name, channels=8, ppm_channels=8, **options),
    )


def stdc(**options):
    return head('STDCHead', num_classes=2, num_convs=1, concat_input=False, **options)


def case(*heads, seeds=('decode.loss_ce',), vote=()):
    """A model, and the names of its losses that take the seeds, and of those that take the vote."""
    cfg = heads[0] if 'backbone' in heads[0] else model(*heads)
    return cfg, sorted(seeds), sorted(vote)


WEIGHTS = dict(class_weight=[1, 2, 0.5, 1, 3])
SIGMOID = dict(CE, use_sigmoid=True)
DICE, TVERSKY = dict(type='DiceLoss'), dict(type='TverskyLoss')
LOVASZ = dict(type='LovaszLoss', reduction='none')
MECHANISMS = {
    'one loss': case(fcn()),
    'class weights': case(fcn(loss_decode=dict(CE, **WEIGHTS))),
    'OHEM sampler by loss': case(fcn(sampler=dict(type='OHEMPixelSampler', min_kept=10**6))),
    'sigmoid cross entropy': case(fcn(loss_decode=SIGMOID)),
    'one channel for two classes': case(
        fcn(num_classes=2, out_channels=1, threshold=0.3, loss_decode=SIGMOID)
    ),
    # FocalLoss would stand here too, but mmseg's fails on a CPU.
    'cross entropy beside Dice, Lovasz and Tversky': case(
        fcn(loss_decode=[CE, DICE, LOVASZ, TVERSKY]),
        vote=['decode.loss_dice', 'decode.loss_lovasz', 'decode.loss_tversky'],
    ),
    'a WST loss of the user': case(
        fcn(loss_decode=dict(type='WSTLoss')),
        fcn(in_channels=16, in_index=2),
        seeds=['decode.loss_wst', 'aux.loss_ce'],
    ),
    'EncNet': case(
        head(
            'EncHead',
            in_channels=[8, 16, 32],
            in_index=(1, 2, 3),
            num_codes=4,
            use_se_loss=True,
            add_lateral=False,
            loss_se_decode=dict(SIGMOID, loss_weight=0.2),
        ),
        vote=['decode.loss_se'],
    ),
    'STDC': case(
        fcn(),
        stdc(in_channels=8, in_index=1, loss_decode=[SIGMOID, DICE]),
        vote=['aux.loss_ce', 'aux.loss_dice'],
    ),
    'STDC of two classes': case(
        fcn(num_classes=2), stdc(in_channels=8, in_index=1), vote=['aux.loss_ce']
    ),
    'DDRNet': case(
        real_time('DDRNet', ohem(thres=0.999), ohem(thres=0.999, loss_weight=0.4), norm_cfg=BN),
        seeds=['decode.loss_context', 'decode.loss_spatial'],
    ),
    'PIDNet': case(
        real_time(
            'PIDNet',
            dict(CE, loss_weight=0.4, **WEIGHTS),
            ohem(thres=0.9, **WEIGHTS),
            dict(type='BoundaryLoss', loss_weight=20.0),
            ohem(thres=0.9, **WEIGHTS),
            num_stem_blocks=1,
            num_branch_blocks=1,
        ),
        seeds=['decode.loss_sem_p', 'decode.loss_sem_i', 'decode.loss_sem_bd'],
        vote=['decode.loss_bd'],
    ),
    'PointRend': case(point_rend(), seeds=['decode_0.loss_ce', 'decode_1.pointloss_ce']),
    'K-Net': case(
        dict(
            type='IterativeDecodeHead',
            num_stages=2,
            kernel_update_head=[knet_update(), knet_update()],
            kernel_generate_head=fcn(),
        ),
        seeds=['decode.loss_ce.s0', 'decode.loss_ce.s1', 'decode.loss_ce.s2'],
    ),
}


def pair(cfg, **options):
    return build_pair(ConfigDict(copy.deepcopy(cfg)), options)


@pytest.mark.parametrize('name', MECHANISMS)
def test_seeds_train_it_as_its_stock_form_would(name):
    cfg, from_seeds, from_vote = MECHANISMS[name]
    stock, of_seeds = pair(cfg)
    if name == 'PIDNet':  # a trained one, sure of edges in part of the image
        for m in (stock, of_seeds):
            m.decode_head.d_cls_seg.bias.data.fill_(1.3)
    report = check(stock, of_seeds, Batch(of_seeds.num_classes, size=(64, 64)))
    assert not report.failures
    assert sorted(report.from_seeds) == from_seeds
    assert sorted(report.from_vote) == from_vote


@pytest.mark.parametrize('name', MECHANISMS)
def test_a_rule_that_learns_works_in_it(name):
    cfg, from_seeds, _ = MECHANISMS[name]
    _, of_seeds = pair(cfg, rule='em')
    batch = Batch(of_seeds.num_classes, size=(64, 64))
    losses = step(of_seeds, batch, batch.seeds)
    sum(losses.values()).backward()
    gradients = [p.grad for p in of_seeds.parameters() if p.grad is not None]
    assert gradients and all(g.isfinite().all() for g in gradients)
    converted = [m for m in of_seeds.modules() if isinstance(m, SeedCrossEntropyLoss)]
    assert all(m.wst.rule.state['batches'] >= 1 for m in converted if m.wst.rule.state is not None)


def test_the_check_itself_finds_what_is_wrong():
    """A model whose seeds reach no loss of one head, and one with a loss of its own making."""
    stock, of_seeds = pair(model(fcn()))
    batch = Batch(CLASSES)
    of_seeds.decode_head.loss_decode.wst.loss_weight = 1.01
    assert any('with equal seeds' in f for f in check(stock, of_seeds, batch).failures)

    stock, of_seeds = pair(model(fcn()))
    of_seeds.loss = partial(type(stock).loss, of_seeds)  # hands nothing over
    assert any('change nothing' in f for f in check(stock, of_seeds, batch).failures)

    stock, of_seeds = pair(model(fcn()))
    of_seeds.register_buffer('extra', torch.zeros(1))
    assert any('state_dict' in f for f in check(stock, of_seeds, batch).failures)


def test_a_head_that_names_no_ignored_label():
    """DDRNet's and PIDNet's heads call their losses so; the stock loss fails on 255 then."""
    logits = torch.randn(2, CLASSES, 8, 8)
    seeds = torch.randint(0, CLASSES, (2, 3, 8, 8), dtype=torch.uint8)
    label = seeds[:, 0].long()
    label[..., :4] = 255
    loss = SeedCrossEntropyLoss(MODELS.build(CE))
    with hand_over(SeedBatch(seeds)):
        expected = loss(logits, label, ignore_index=255)
        torch.testing.assert_close(loss(logits, label), expected)
    torch.testing.assert_close(expected, WSTLoss()(logits[..., 4:], seeds[..., 4:]) / 2)


def test_ohem_keeps_the_pixels_that_are_hard_for_the_vote():
    logits = torch.randn(2, CLASSES, 8, 8) * 3
    seeds = torch.randint(0, CLASSES, (2, 3, 8, 8), dtype=torch.uint8)
    vote = seeds[:, 0].long()
    stock = MODELS.build(dict(type='OhemCrossEntropy', thres=0.3, min_kept=10))
    with hand_over(SeedBatch(seeds)):
        found = SeedOhemCrossEntropy(stock)(logits, vote)
    hard = logits.softmax(1).gather(1, vote[:, None])[:, 0] < 0.3
    assert 0 < hard.sum() < hard.numel()
    torch.testing.assert_close(found, WSTLoss(reduction='none')(logits, seeds)[hard].mean())


def test_ohem_with_one_known_pixel_is_finite():
    logits = torch.randn(1, CLASSES, 4, 4, requires_grad=True)
    seeds = torch.full((1, 2, 4, 4), 255, dtype=torch.uint8)
    seeds[..., 0, 0] = 1
    ohem = SeedOhemCrossEntropy(MODELS.build(dict(type='OhemCrossEntropy', thres=0.0)))
    for batch in (seeds, torch.full_like(seeds, 255)):
        with hand_over(SeedBatch(batch)):
            loss = ohem(logits, batch[:, 0].long())
        loss.backward()
        assert loss.item() == 0 and logits.grad.isfinite().all()


@MODELS.register_module()
class DerivedPointHead(PointHead):
    """A third party's."""


def test_a_derived_point_head_samples_seeds_and_is_copied():
    stock, of_seeds = pair(point_rend('DerivedPointHead'))
    batch = Batch(CLASSES)
    assert isinstance(of_seeds.decode_head[1], DerivedPointHead)
    assert not check(stock, of_seeds, batch).failures
    for other in (copy.deepcopy(of_seeds), pickle.loads(pickle.dumps(of_seeds))):
        assert type(other.decode_head[1]) is type(of_seeds.decode_head[1])
        other.load_state_dict(of_seeds.state_dict())
        torch.testing.assert_close(
            step(other, batch, batch.seeds), step(of_seeds, batch, batch.seeds)
        )


def test_semantic_logits_by_hand():
    scores = torch.randn(2, 3, CLASSES + 1)
    masks = torch.randn(2, 3, 4, 5)
    found = semantic_logits(scores, masks)
    expected = torch.zeros(2, CLASSES, 4, 5)
    for n in range(2):
        for q in range(3):
            for c in range(CLASSES):
                expected[n, c] += scores[n, q].softmax(0)[c] * masks[n, q].sigmoid()
    torch.testing.assert_close(found.exp(), expected)


def test_semantic_logits_of_sure_queries_have_finite_gradients():
    scores = torch.tensor([[[90.0, -90.0, 0.0]]], requires_grad=True)
    masks = torch.full((1, 1, 2, 2), -200.0, requires_grad=True)
    loss = WSTLoss()(semantic_logits(scores, masks), torch.ones(1, 2, 2, 2, dtype=torch.uint8))
    loss.backward()
    assert loss.isfinite() and scores.grad.isfinite().all() and masks.grad.isfinite().all()


SAN = dict(
    type='SideAdapterCLIPHead',
    num_classes=CLASSES,
    align_corners=False,
    deep_supervision_idxs=[],
    train_cfg=None,
    san_cfg=dict(in_channels=3, embed_dims=8, num_queries=4),
    maskgen_cfg=dict(sos_token_num=4),
    loss_decode=[dict(CE, loss_name='loss_cls_ce')],
)


@pytest.fixture
def san(monkeypatch):
    """Builds SAN without its transformers."""
    for name in ('SideAdapterNetwork', 'RecWithAttnbias'):
        monkeypatch.setattr(san_head, name, lambda **kwargs: torch.nn.Identity())
    cfg = {**model(SAN), 'type': 'MultiSeedSegmentor', 'base': 'EncoderDecoder'}
    return lambda **options: MODELS.build(ConfigDict(copy.deepcopy(cfg), **options))


def test_a_query_head_needs_a_dense_loss(san):
    with pytest.raises(ValueError, match=r'SideAdapterCLIPHead matches .*dense_loss=dict\('):
        san()
    with pytest.raises(ValueError, match="dense_loss must be a WSTLoss; got 'DiceLoss'"):
        san(dense_loss=dict(type='DiceLoss'))


def test_a_query_head_learns_from_every_seed_by_its_dense_loss(san, monkeypatch):
    """Its own losses are left as they are: they are matched to the vote."""
    decode_head = san(dense_loss=dict(type='WSTLoss', loss_weight=0.5)).decode_head
    assert isinstance(decode_head, SeedsOnSemanticMap)
    assert not isinstance(decode_head.loss_decode[0], SeedCrossEntropyLoss)
    own = {'loss_cls_ce': torch.ones(())}
    monkeypatch.setattr(
        type(decode_head).__bases__[1], 'loss_by_feat', lambda self, *args: dict(own)
    )
    scores, masks = torch.randn(2, 4, CLASSES + 1), torch.randn(2, 4, 8, 8)
    seeds = torch.randint(0, CLASSES, (2, 3, 16, 16), dtype=torch.uint8)
    assert decode_head.loss_by_feat([scores], [masks], []) == own
    for copied in (decode_head, copy.deepcopy(decode_head)):
        with hand_over(SeedBatch(seeds)) as batch:
            losses = copied.loss_by_feat([None, scores], [None, masks], [])
        assert batch.uses
        logits = torch.nn.functional.interpolate(
            semantic_logits(scores, masks), size=(16, 16), mode='bilinear', align_corners=False
        )
        torch.testing.assert_close(losses['loss_wst'], 0.5 * WSTLoss()(logits, seeds))


@pytest.mark.slow
@pytest.mark.parametrize('name', ['MaskFormer', 'Mask2Former'])
def test_query_heads_of_mmdet(name):
    pytest.importorskip('mmdet', reason='the heads of MaskFormer and Mask2Former need mmdet')
    from families import load

    cfg = load(name, 64)
    cfg.backbone = ConfigDict(type='ResNet', depth=18, norm_cfg=BN)
    cfg.decode_head.in_channels = [64, 128, 256, 512]
    cfg.decode_head.num_queries = 8
    cfg.decode_head.train_cfg.num_points = 64
    stock, of_seeds = build_pair(cfg, dict(dense_loss=dict(type='WSTLoss')))
    report = check(stock, of_seeds, Batch(of_seeds.num_classes, size=(32, 32)))
    assert not report.failures
    assert report.from_seeds == ['decode.loss_wst']
    assert len(report.from_vote) > 5

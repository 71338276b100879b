"""How the seeds of a batch reach the losses of a stock model."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.model import ExponentialMovingAverage
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmws.models import MultiSeedSegmentor, WSTLoss, handed_seeds
from mmws.seeds.vote import vote

CLASSES = 4
SIZE = (8, 6)


@MODELS.register_module()
class OneConvBackbone(nn.Module):
    """The image is the feature map, so that logits can be computed by hand."""

    def forward(self, inputs):
        return (inputs,)


@MODELS.register_module()
class OneConvHead(BaseDecodeHead):
    """The logits are one 1x1 convolution of the image."""

    def __init__(self, **kwargs):
        options = dict(in_channels=3, channels=3, num_classes=CLASSES, dropout_ratio=0)
        super().__init__(**{**options, **kwargs})

    def forward(self, inputs):
        return self.cls_seg(self._transform_inputs(inputs))


@MODELS.register_module()
class EdgeLikeHead(OneConvHead):
    """Feeds its cross entropy a map of its own, on the grid of the label."""

    def loss_by_feat(self, seg_logits, batch_data_samples):
        changed = []
        for sample in batch_data_samples:
            label = sample.gt_sem_seg.data
            edges = (label != label.roll(1, -1)).long()
            changed.append(SegDataSample(gt_sem_seg=PixelData(data=edges)))
        return super().loss_by_feat(seg_logits, changed)


def model_cfg(**head):
    head = {**dict(type='OneConvHead', loss_decode=dict(type='CrossEntropyLoss')), **head}
    return dict(
        type='EncoderDecoder',
        backbone=dict(type='OneConvBackbone'),
        decode_head=head,
        train_cfg=dict(),
        test_cfg=ConfigDict(mode='whole'),
    )


def build(cfg, **options):
    """The stock model of a config, or with options the multi-seed one; the same weights."""
    if options:
        cfg = {**cfg, **options, 'type': 'MultiSeedSegmentor', 'base': cfg['type']}
    torch.manual_seed(0)
    return MODELS.build(copy.deepcopy(cfg)).train()


def sample_of(seeds, present=None):
    consensus = torch.from_numpy(vote(seeds.numpy())).long()[None]
    sample = SegDataSample(gt_sem_seg=PixelData(data=consensus))
    sample.gt_seeds = PixelData(data=seeds)
    if present is not None:
        sample.set_metainfo(dict(seed_present=present))
    return sample


def test_a_rule_that_learns_refuses_other_sources_in_the_place_of_a_seed():
    model = build(model_cfg(), rule='em')
    inputs, samples = make_batch()
    for sample, names in zip(samples, (['a', 'b', 'c'], ['a', 'c', 'b']), strict=True):
        sample.set_metainfo(dict(seed_names=names))
    with pytest.raises(
        ValueError, match=r"One dataset has \('a', 'b', 'c'\), another \('a', 'c', 'b'"
    ):
        model.loss(inputs, samples)
    build(model_cfg(), rule='vote').loss(inputs, samples)


def random_seeds(count, *, size=SIZE, seed=0, unknown=0.0):
    generator = torch.Generator().manual_seed(seed)
    seeds = torch.randint(0, CLASSES, (count, *size), generator=generator, dtype=torch.uint8)
    return seeds.masked_fill(torch.rand(seeds.shape, generator=generator) < unknown, 255)


def make_batch(counts=(3, 3), *, unknown=0.0):
    generator = torch.Generator().manual_seed(7)
    inputs = torch.randn(len(counts), 3, *SIZE, generator=generator)
    samples = [sample_of(random_seeds(k, seed=i, unknown=unknown)) for i, k in enumerate(counts)]
    return inputs, samples


def test_a_model_is_the_stock_one_with_its_keys_and_its_inference():
    inputs, samples = make_batch()
    stock, model = build(model_cfg()), build(model_cfg(), scale=1.0)
    assert list(model.state_dict()) == list(stock.state_dict())
    assert type(model).__name__ == 'MultiSeedEncoderDecoder'
    assert isinstance(model, type(stock)) and isinstance(model, MultiSeedSegmentor)
    stock.load_state_dict(model.state_dict())
    found, expected = (m.eval()(inputs, mode='tensor') for m in (model, stock))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    prediction = model.predict(inputs)[0].pred_sem_seg.data
    torch.testing.assert_close(prediction[0], expected[0].argmax(0))


def test_models_are_copied_pickled_and_averaged():
    inputs, samples = make_batch()
    model = build(model_cfg(), scale=0.5)
    expected = model.loss(inputs, samples)['decode.loss_ce']
    for other in (
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        ExponentialMovingAverage(model).module,
    ):
        assert type(other) is type(model)
        assert other.decode_head.loss_decode.wst.rule.scale == 0.5
        torch.testing.assert_close(other.loss(inputs, samples)['decode.loss_ce'], expected)


def test_seeds_are_let_go_after_every_step():
    inputs, samples = make_batch()
    model = build(model_cfg(), scale=1.0)
    model.loss(inputs, samples)
    assert handed_seeds() is None
    with pytest.raises(RuntimeError):  # wrong number of channels
        model.loss(inputs[:, :2], samples)
    assert handed_seeds() is None


def test_images_may_have_different_numbers_of_seeds():
    """An image with 2 of 3 seeds weighs each by a half, as it would in a batch of its own."""
    model = build(model_cfg(), scale=0.0)
    inputs, samples = make_batch((3, 2, 1))
    logits = model.decode_head.conv_seg(inputs)
    expected = 0.0
    for i, sample in enumerate(samples):
        seeds = sample.gt_seeds.data.long()
        for seed in seeds:
            expected += F.cross_entropy(logits[i : i + 1], seed[None], reduction='sum') / len(seeds)
    found = model.loss(inputs, samples)['decode.loss_ce']
    torch.testing.assert_close(found, expected / (3 * SIZE[0] * SIZE[1]))


def test_a_seed_that_an_image_lacks_takes_no_part():
    inputs, samples = make_batch((3, 2))
    shorter = build(model_cfg(), scale=1.0).loss(inputs, samples)
    seeds = samples[1].gt_seeds.data
    padded = torch.cat([seeds[:1], torch.full_like(seeds[:1], 255), seeds[1:]])
    samples[1] = sample_of(padded, present=(True, False, True))
    longer = build(model_cfg(), scale=1.0).loss(inputs, samples)
    torch.testing.assert_close(longer['decode.loss_ce'], shorter['decode.loss_ce'])


def test_what_the_preprocessor_pads_is_unknown():
    """Padding adds pixels to the average over all pixels and nothing to the sum."""
    model = build(model_cfg(), scale=1.0)
    inputs, samples = make_batch()
    loss = model.loss(inputs, samples)['decode.loss_ce']
    preprocess = MODELS.build(
        dict(type='SegDataPreProcessor', size=(10, 12), pad_val=0, seg_pad_val=255)
    )
    padded = preprocess(dict(inputs=list(inputs), data_samples=samples), training=True)
    assert padded['inputs'].shape[2:] == (10, 12)
    assert samples[0].gt_seeds.data.shape[1:] == SIZE  # left as they were by mmseg
    found = model.loss(padded['inputs'], padded['data_samples'])['decode.loss_ce']
    torch.testing.assert_close(found, loss * (SIZE[0] * SIZE[1]) / 120)


def test_a_loss_that_the_user_gave_is_kept():
    inputs, samples = make_batch(unknown=0.2)
    given = dict(type='WSTLoss', scale=3.0, unknown='drop')
    model = build(model_cfg(loss_decode=given), scale=0.0)
    assert isinstance(model.decode_head.loss_decode, WSTLoss)
    seeds = torch.stack([sample.gt_seeds.data for sample in samples])
    expected = WSTLoss(scale=3.0, unknown='drop')(model.decode_head.conv_seg(inputs), seeds)
    torch.testing.assert_close(model.loss(inputs, samples)['decode.loss_wst'], expected)


def test_samples_without_seeds_are_refused():
    inputs, samples = make_batch()
    del samples[1].gt_seeds
    samples[1].set_metainfo(dict(img_path='images/b.jpg'))
    with pytest.raises(KeyError, match=r'images/b\.jpg has no gt_seeds.*PackMultiSeedInputs'):
        build(model_cfg(), scale=1.0).loss(inputs, samples)


@MODELS.register_module()
class SmallLabelHead(OneConvHead):
    """Computes its loss at a quarter of the label's size."""

    def loss_by_feat(self, seg_logits, batch_data_samples):
        label = self._stack_batch_gt(batch_data_samples)[:, 0, ::2, ::2]
        return dict(loss=self.loss_decode(seg_logits[..., ::2, ::2], label))


def test_a_step_that_uses_no_seed_is_an_error():
    inputs, samples = make_batch()
    model = build(model_cfg(type='SmallLabelHead'), scale=1.0)
    with pytest.raises(RuntimeError, match=r'no loss .* used the seeds.*decode_head\.loss_decode'):
        model.loss(inputs, samples)


@pytest.mark.parametrize(
    'cfg, options, error, message',
    [
        (
            model_cfg(loss_decode=dict(type='LovaszLoss', reduction='none')),
            dict(scale=1.0),
            ValueError,
            'no loss that can take seeds.*LovaszLoss',
        ),
        (dict(model_cfg(), type='EncoderDecodr'), dict(scale=1.0), KeyError, 'EncoderDecodr.*reg'),
        (
            model_cfg(),
            dict(keep_stock=['auxiliary_hed']),
            AttributeError,
            'MultiSeedEncoderDecoder has no attribute `auxiliary_hed`',
        ),
        (
            model_cfg(),
            dict(dense_loss=dict(type='WSTLoss')),
            ValueError,
            'MultiSeedEncoderDecoder has none',
        ),
    ],
)
def test_models_that_cannot_learn_from_seeds_are_refused(cfg, options, error, message):
    with pytest.raises(error, match=message):
        build(cfg, **options)


def test_a_head_with_labels_of_its_own_is_found_out():
    inputs, samples = make_batch()
    cfg = model_cfg()
    cfg['auxiliary_head'] = dict(cfg['decode_head'], type='EdgeLikeHead')
    with pytest.raises(RuntimeError, match=r'auxiliary_head\.loss_decode.*keep_stock='):
        build(cfg, scale=1.0).loss(inputs, samples)

    model, stock = build(cfg, keep_stock=['auxiliary_head.loss_decode']), build(cfg)
    assert type(model.auxiliary_head.loss_decode) is CrossEntropyLoss
    found, expected = (m.loss(inputs, samples) for m in (model, stock))
    torch.testing.assert_close(found['aux.loss_ce'], expected['aux.loss_ce'])
    assert found['decode.loss_ce'] != expected['decode.loss_ce']


def test_labels_are_compared_with_the_vote_in_the_first_steps_only():
    inputs, samples = make_batch()
    model = build(model_cfg(), scale=1.0)
    for _ in range(10):
        model.loss(inputs, samples)
    model.decode_head.__class__ = EdgeLikeHead
    model.loss(inputs, samples)


@pytest.mark.parametrize('loss', ['CrossEntropyLoss', 'OhemCrossEntropy', 'WSTLoss'])
@pytest.mark.parametrize('length', [3, 5])
def test_class_weights_of_another_number_are_refused_when_the_model_is_built(loss, length):
    given = dict(type=loss, class_weight=[1.0] * length)
    message = f'class_weight of OneConvHead.loss_decode has {length} values for 4 classes'
    with pytest.raises(ValueError, match=message):
        build(model_cfg(loss_decode=given), scale=1.0)


@pytest.mark.parametrize(
    'loss', [dict(type='WSTLoss', class_weight=[1, 2]), dict(type='WSTLoss', use_sigmoid=True)]
)
def test_one_channel_trains_with_a_loss_that_the_user_gave(loss):
    inputs, samples = make_batch()
    for sample in samples:
        sample.gt_seeds.data = sample.gt_seeds.data.clamp(max=1)
        sample.gt_sem_seg.data = sample.gt_sem_seg.data.clamp(max=1)
    model = build(model_cfg(num_classes=2, out_channels=1, loss_decode=loss), scale=1.0)
    z = model.decode_head.conv_seg(inputs)
    seeds = torch.stack([sample.gt_seeds.data for sample in samples])
    expected = WSTLoss(class_weight=loss.get('class_weight'))(
        torch.cat([torch.zeros_like(z), z], 1), seeds
    )
    torch.testing.assert_close(model.loss(inputs, samples)['decode.loss_wst'], expected)

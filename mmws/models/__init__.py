"""Stage two: the WST loss, DeepLab-v2 LargeFOV heads, and how any mmseg head takes K seeds."""

from .hand_over import SeedBatch, hand_over, handed_seeds
from .heads.deeplabv2_head import DeepLabV2Head
from .heads.large_fov_head import LargeFOVHead
from .multi_scale_fusion_tta import MultiScaleFusionTTA
from .multi_seed_segmentor import MultiSeedSegmentor
from .rules import RULES, LearningRule, Rule
from .wst_loss import WSTLoss
from .wst_weights import wst_weights

__all__ = [
    'DeepLabV2Head',
    'LargeFOVHead',
    'RULES',
    'LearningRule',
    'MultiScaleFusionTTA',
    'MultiSeedSegmentor',
    'Rule',
    'SeedBatch',
    'WSTLoss',
    'hand_over',
    'handed_seeds',
    'wst_weights',
]

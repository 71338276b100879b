"""Rules: how far the loss believes each seed, or which soft label it makes of them."""

from .adele import Adele
from .confusion import Confusion
from .crowdlab import CrowdLab
from .em import EM
from .plain import Plain
from .rule import RULES, LearningRule, Rule
from .vote import Vote
from .wst import WST

__all__ = [
    'EM',
    'RULES',
    'WST',
    'Adele',
    'Confusion',
    'CrowdLab',
    'LearningRule',
    'Plain',
    'Rule',
    'Vote',
]

"""Rules: how far the loss believes each seed, or which soft label it makes of them."""

from . import adele, confusion, crowdlab, em, plain, vote, wst  # noqa: F401  (they register)
from .rule import RULES, LearningRule, Rule

__all__ = ['RULES', 'LearningRule', 'Rule']

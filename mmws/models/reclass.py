"""Giving a built module another class, in a way that deepcopy and pickle understand."""

from __future__ import annotations

from functools import cache

from torch import nn


def reclass(module: nn.Module, behaviour: type) -> None:
    """Puts ``behaviour`` before a module's class: its methods come first, its weights stay.

    Args:
        module: Of a class that ``behaviour`` derives from, or a subclass of that.
        behaviour: A class that needs no constructor of its own.
    """
    module.__class__ = _join(behaviour, type(module))


@cache
def _join(behaviour: type, stock: type) -> type:
    members = dict(__module__=stock.__module__, __reduce_ex__=_reduce)
    return type(f'MultiSeed{stock.__name__}', (behaviour, stock), members)


def _reduce(module: nn.Module, protocol: int) -> tuple:
    # The joined class has no address of its own; the two that it is made of have.
    behaviour, stock = type(module).__bases__
    return _rebuild, (behaviour, stock), module.__dict__


def _rebuild(behaviour: type, stock: type) -> nn.Module:
    return object.__new__(_join(behaviour, stock))

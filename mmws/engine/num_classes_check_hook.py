"""Compares the heads' number of classes with the datasets' before the first iteration."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import nn

from mmws.checkpoint import unwrap_model

# Its classes are edge and no edge, whatever the dataset's are.
_OWN_CLASSES = ('STDCHead',)


@HOOKS.register_module()
class NumClassesCheckHook(Hook):
    """Refuses a head whose ``num_classes`` is not the number of the dataset's classes.

    Otherwise a label beyond the head's classes stops a GPU with a device-side assert, and a head
    with too many trains without a word. ``num_classes`` counts background where the dataset's
    classes do (segmentation), and not where they do not (classification). A head with one class
    fits a dataset of two: mmseg's binary form.
    """

    def before_train(self, runner) -> None:
        self._check(runner.model, runner.train_dataloader.dataset, 'train_dataloader')

    def before_val(self, runner) -> None:
        self._check(runner.model, runner.val_dataloader.dataset, 'val_dataloader')

    def before_test(self, runner) -> None:
        self._check(runner.model, runner.test_dataloader.dataset, 'test_dataloader')

    @staticmethod
    def _check(model: nn.Module, dataset, loader: str) -> None:
        classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
        if classes is None:
            return
        wrong = [
            f'model.{name} ({type(head).__name__}) has num_classes={head.num_classes}'
            for name, head in heads_of(model).items()
            if head.num_classes != len(classes)
            and not (head.num_classes == 1 and len(classes) == 2)
        ]
        if wrong:
            raise ValueError(
                f'{"; ".join(wrong)}, but the {type(dataset).__name__} of {loader} has '
                f'{len(classes)} classes: {_shown(classes)}. Set num_classes of every head to '
                f'{len(classes)}, or correct the metainfo of the dataset.'
            )


def heads_of(model: nn.Module) -> dict[str, nn.Module]:
    """The heads of a model by name that predict the dataset's classes."""
    return {
        name: module
        for name, module in unwrap_model(model).named_modules()
        if 'head' in type(module).__name__.lower()
        and isinstance(getattr(module, 'num_classes', None), int)
        and type(module).__name__ not in _OWN_CLASSES
    }


def _shown(classes) -> str:
    classes = list(classes)
    return ', '.join(classes[:3]) + (f', ..., {classes[-1]}' if len(classes) > 3 else '')

"""Checks before the first iteration that the data fit the model and the training."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import nn

from mmws.checkpoint import unwrap_model
from mmws.run_config import check_training_data


@HOOKS.register_module()
class NumClassesCheckHook(Hook):
    """Refuse a head whose ``num_classes`` is not the number of the dataset's classes.

    Otherwise a label beyond the head's classes stops a GPU with a device-side assert, and a head
    with too many trains without a word. ``num_classes`` counts background where the dataset's
    classes do (segmentation), and not where they do not (classification). A head with one class
    fits a dataset of two: mmseg's binary form.

    Before a training, also refuse data that it would stop at later or end without a step, see
    :func:`mmws.run_config.check_training_data`.
    """

    def before_train(self, runner) -> None:
        self._check(runner.model, runner.train_dataloader.dataset, 'train_dataloader')
        check_training_data(runner)

    def before_val(self, runner) -> None:
        self._check(runner.model, runner.val_dataloader.dataset, 'val_dataloader')

    def before_test(self, runner) -> None:
        self._check(runner.model, runner.test_dataloader.dataset, 'test_dataloader')

    @staticmethod
    def _check(model: nn.Module, dataset, loader: str) -> None:
        classes = list((getattr(dataset, 'metainfo', None) or {}).get('classes') or ())
        # One class is mmseg's binary form.
        right = {len(classes)} | ({1} if len(classes) == 2 else set())
        wrong = [
            f'model.{name} ({type(head).__name__}) has num_classes={head.num_classes}'
            for name, head in unwrap_model(model).named_modules()
            if classes and _predicts_classes(head) and head.num_classes not in right
        ]
        if wrong:
            shown = classes if len(classes) < 5 else [*classes[:3], '...', classes[-1]]
            raise ValueError(
                f'{"; ".join(wrong)}, but the {type(dataset).__name__} of {loader} has '
                f'{len(classes)} classes: {", ".join(shown)}. Set num_classes of every head to '
                f'{len(classes)}, or correct the metainfo of the dataset.'
            )


def _predicts_classes(module: nn.Module) -> bool:
    """Whether a module is a head of the dataset's classes; those of STDC's are edge and no edge."""
    kind = type(module).__name__
    is_head = 'head' in kind.lower() and kind != 'STDCHead'
    return is_head and isinstance(getattr(module, 'num_classes', None), int)

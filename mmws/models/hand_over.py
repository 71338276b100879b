"""How the K seeds of a batch reach the losses of any head: one small place that holds state.

mmseg's heads pass one label map to their losses. A multi-seed model hands the seeds over beside it,
for the duration of its ``loss()``, and every WST loss called inside picks them up. A context
variable holds them: nothing is stored on the model (deepcopy, pickle and EMA see the stock model),
the value is released on any exit, and threads do not see each other's batch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from torch import Tensor

from mmws.files.label_map import UNKNOWN


@dataclass
class SeedBatch:
    """The seeds of one batch, on the grid on which the loss is computed.

    Attributes:
        seeds: (N, K, H, W) uint8 label maps, or (N, K, P) at points; 255 is unknown. A seed that an
            image lacks is 255 everywhere.
        present: (N, K) bool, False where an image lacks a seed altogether. None: all present.
        uses: The shapes of the labels behind which losses have read the seeds; copies share it.
        vote: (N, H, W), what a label is to be behind which a loss reads the seeds. None: anything.
    """

    seeds: Tensor
    present: Tensor | None = None
    uses: list[tuple[int, ...]] = field(default_factory=list)
    vote: Tensor | None = None

    def resampled(self, seeds: Tensor) -> SeedBatch:
        """Return the batch with other maps, no vote, and its uses counted with those of this."""
        return SeedBatch(seeds, self.present, self.uses)


_HANDED: ContextVar[SeedBatch | None] = ContextVar('mmws_handed_seeds', default=None)


def handed_seeds() -> SeedBatch | None:
    """Return the seeds that are handed over, or None outside a multi-seed model's loss()."""
    return _HANDED.get()


def seeds_behind(label: Tensor, ignore_index: int = UNKNOWN) -> SeedBatch | None:
    """Return the handed-over seeds that a loss is to see in place of a label; None for none.

    Args:
        label: (N, H, W), or (N, P) of points.
        ignore_index: What it holds where the head has masked it, beside 255. There, and where a
            seed holds it, the seeds returned are unknown.
    """
    handed = handed_seeds()
    if handed is None or label.shape != handed.seeds[:, 0].shape:
        return None
    handed.uses.append(tuple(label.shape))
    masked = ((label == ignore_index) | (label == UNKNOWN)).unsqueeze(1)
    if 0 <= ignore_index < UNKNOWN:
        masked = masked | (handed.seeds == ignore_index)
    return replace(handed, seeds=handed.seeds.masked_fill(masked, UNKNOWN))


@contextlib.contextmanager
def hand_over(batch: SeedBatch | None) -> Iterator[SeedBatch | None]:
    """Hand ``batch`` to every WST loss called inside; nests (the innermost batch counts)."""
    token = _HANDED.set(batch)
    try:
        yield batch
    finally:
        _HANDED.reset(token)

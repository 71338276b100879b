"""Fill folders with one file an image: continue, share the work, and name the images that fail."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .folder import SeedFolder
from .image_file import BadInputError
from .progress_bar import ProgressBar
from .worker_pool import map_unordered


@dataclass
class MapReport:
    """The outcome of a run."""

    made: int = 0  # images whose files were written
    kept: int = 0  # images whose files were all there already
    failed: dict[str, str] = field(default_factory=dict)  # image id -> why it has no files
    noted: list[str] = field(default_factory=list)  # made images that the job has marked, sorted
    missing: int = 0  # images without files, with the work of other processes
    limited: bool = False  # only the first images were to be done
    shared: bool = False  # other processes make the rest

    @classmethod
    def merge(cls, reports: Sequence[MapReport]) -> MapReport:
        """Add up the reports of the processes that shared the images."""
        return cls(
            made=sum(report.made for report in reports),
            kept=sum(report.kept for report in reports),
            failed=dict(sorted(pair for report in reports for pair in report.failed.items())),
            noted=sorted(image_id for report in reports for image_id in report.noted),
            missing=min(report.missing for report in reports),  # the last to look saw all files
            limited=any(report.limited for report in reports),
        )

    def summary(self, *, noted: str = '', again: str = 'run the same command again') -> str:
        """Tell what was done, which images failed and why, and how to go on.

        Args:
            noted: What the marked images have in common, as the end of "12 of the 40 made images".
            again: How to go on, as an imperative.
        """
        lines = [f'{self.made} images made, {self.kept} were there already.']
        if self.noted:
            lines.append(
                f'{len(self.noted)} of the {self.made} made images {noted} The first: '
                f'{self.noted[0]}.'
            )
        if self.failed:
            lines.append(f'{len(self.failed)} images failed:')
            lines += [f'  {image_id}: {why}' for image_id, why in self.failed.items()]
            lines.append(f'Mend them, or take them off the list of images, and {again}.')
        left = self.missing - len(self.failed)
        if left and self.limited:
            lines.append(f'{left} images are left out by the limit: {again} without it.')
        elif left and self.shared:
            lines.append(
                f'{left} images are left to the other processes. If one was stopped, {again}.'
            )
        elif left:
            lines.append(f'{left} images are left: {again} to continue.')
        return '\n'.join(lines)


class MapRun:
    """Make the files of many images in one or more folders; may be stopped and run again.

    One process (with the GPU) prepares the jobs and feeds workers, which compute and write.

    Args:
        folders: Folders by name; each gets one file an image.
        image_ids: All images, the same list in every process that takes part.
        workers: Number of worker processes; 0 does all in this one.
        share: (i, n): make only every n-th image, from the i-th on, counted from 0.
        limit: Make only the first so many images; the folders then stay unfinished.
    """

    def __init__(
        self,
        folders: Mapping[str, SeedFolder],
        image_ids: Sequence[str],
        *,
        workers: int = 0,
        share: tuple[int, int] = (0, 1),
        limit: int | None = None,
    ):
        index, count = share
        self.folders = dict(folders)
        self.image_ids = list(image_ids)
        self.mine = self.image_ids[:limit][index::count]
        self.workers = workers
        self.limited = limit is not None and limit < len(self.image_ids)
        self.shared = count > 1

    def prepare(self, *, overwrite: bool = False) -> None:
        """Check the folders and create them, see :meth:`SeedFolder.prepare`.

        With ``overwrite`` they are emptied first, but for those that this recipe has begun and not
        finished, so that a stopped run is continued. Only the first of several processes
        may do so.
        """
        # All are checked before the first is emptied or made.
        for folder in self.folders.values():
            folder.check(overwrite=overwrite)
        for folder in self._emptied(overwrite):
            folder.clear()
        for folder in self.folders.values():
            folder.prepare()

    def plan(self, emptied: Collection[SeedFolder] = ()) -> dict[str, list[str]]:
        """List this process's images that lack files, and in which folders."""
        there = {
            name: set() if folder in emptied else folder.finished()
            for name, folder in self.folders.items()
        }
        plan = {i: [name for name in there if i not in there[name]] for i in self.mine}
        return {image_id: names for image_id, names in plan.items() if names}

    def describe(self, *, overwrite: bool = False) -> str:
        """Check the folders as :meth:`prepare`, write nothing, and tell what a run would do."""
        for folder in self.folders.values():
            folder.check(overwrite=overwrite)
        emptied = self._emptied(overwrite)
        plan = self.plan(emptied)
        lines = [f'{len(plan)} of {len(self.image_ids)} images to do on {self.workers} workers.']
        for name, folder in self.folders.items():
            todo = sum(name in names for names in plan.values())
            kept = f'{len(self.mine) - todo} are there'
            if folder in emptied and folder.stored_recipe() is not None:
                kept = 'what is there goes first'
            lines.append(f'{folder.path}: {todo} to make, {kept}.')
        return '\n'.join(lines)

    def make(self, prepare_job: Callable, work: Callable) -> MapReport:
        """Make what is missing, then mark the folders as complete if no image is left.

        Args:
            prepare_job: Called here as ``prepare_job(image_id, files)`` with the files to make by
                the folder's name; returns the arguments of ``work``, picklable.
            work: Called in a worker; writes the files. If it returns True, the image is listed in
                the report's ``noted``. An image for which either raises BadInputError fails, and
                the others go on.
        """
        plan = self.plan()
        report = MapReport(
            kept=len(self.mine) - len(plan), limited=self.limited, shared=self.shared
        )
        if plan:
            for folder in self.folders.values():
                folder.reopen()
            bar = ProgressBar(len(plan))
            results = map_unordered(
                functools.partial(_attempt, work),
                self._jobs(plan, prepare_job, report, bar),
                workers=min(self.workers, len(plan)),
                preload=getattr(work, 'func', work).__module__,
            )
            for image_id, problem, noted in results:
                if problem is None:
                    report.made += 1
                else:
                    report.failed[image_id] = problem
                if noted:
                    report.noted.append(image_id)
                bar.advance()
            bar.close()
        report.noted.sort()
        for folder in self.folders.values():
            folder.complete(self.image_ids)
        finished = [folder.finished() for folder in self.folders.values()]
        report.missing = len(set(self.image_ids) - set.intersection(*finished))
        return report

    def _emptied(self, overwrite: bool) -> list[SeedFolder]:
        return [
            folder
            for folder in self.folders.values()
            if overwrite and (folder.is_complete or folder.stored_recipe() != folder.recipe)
        ]

    def _jobs(
        self, plan: dict[str, list[str]], prepare_job: Callable, report: MapReport, bar: ProgressBar
    ) -> Iterator[tuple]:
        for image_id, names in plan.items():
            files: dict[str, Path] = {name: self.folders[name].file(image_id) for name in names}
            try:
                yield image_id, prepare_job(image_id, files)
            except BadInputError as problem:
                report.failed[image_id] = str(problem)
                bar.advance()


def _attempt(work: Callable, job: tuple) -> tuple[str, str | None, bool]:
    image_id, arguments = job
    try:
        return image_id, None, bool(work(*arguments))
    except BadInputError as problem:
        return image_id, str(problem), False

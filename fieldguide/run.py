"""A training and everything that came out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fieldguide.cleaning import Suspects, serve_clean
from fieldguide.environment import call_environment
from fieldguide.lr_sweeps import LRFind
from fieldguide.paths import StrPath, optional_path, require_positive
from fieldguide.prediction import Predictor
from fieldguide.progress import show_progress
from fieldguide.rows import Rows
from service.bundle import FP32, Bundle, read_bundle
from trainer.catalog import Catalog
from trainer.diagnosis import read_findings
from trainer.predictions import PredictionRow, read_predictions
from trainer.recipe import Recipe
from trainer.report.confusion import ConfusedPair, confusion_matrix, most_confused
from trainer.report.gallery import draw_top_losses
from trainer.report.notebook import run_html, top_losses_html
from trainer.run import (
    Evaluation,
    EvaluationOptions,
    ExportOptions,
    LabelledImages,
    RunFolder,
    evaluate_run,
    export_run,
    read_report_data,
    usable_threads,
)
from trainer.run.suspects import find_run_suspects
from trainer.training.history import TrainingHistory, read_history
from trainer.training.lr_find.result import read_lr_find


class Run:
    """A run: what `fit` returns and `open_run` opens.

    Everything is read from the files of the run when it is asked for. Attributes that exist only after the training
    raise TrainerError until then.

    Attributes:
        path: Folder of the run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = RunFolder(path.absolute())  # found again if the working directory changes

    def __repr__(self) -> str:
        if not self._folder.bundle.exists():
            return f"Run({str(self.path)!r}, not finished)"
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items()) or "not measured"
        return f"Run({str(self.path)!r}, {metrics})"

    def _repr_html_(self) -> str | None:
        if not self._folder.bundle.exists():
            return None
        return run_html(read_report_data(self._folder, root=None, must_exist=False), report=str(self.report))

    def load(self) -> Predictor:
        """Load the bundle, to predict with it: the same as `fieldguide.load(run.bundle)`."""
        return Predictor(self._bundle)

    @property
    def bundle(self) -> Path:
        """Folder of the bundle: what `load` loads and the service serves."""
        return self._require(self._folder.bundle)

    @property
    def report(self) -> Path:
        """The report, a page that needs no network."""
        return self._require(self._folder.report)

    @property
    def recipe(self) -> Recipe:
        """Everything that was asked for, and every default."""
        return self._folder.read_recipe()

    @cached_property
    def catalog(self) -> Catalog:
        """The images that can be decoded, their labels and splits."""
        self._require(self._folder.catalog)
        return self._folder.read_catalog(self.recipe, None, must_exist=False)

    @property
    def summary(self) -> str:
        """What was trained on, in one line: images, classes, splits, and where the labels come from."""
        return self._folder.summary(self.recipe, self.catalog)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the model's output."""
        return self.catalog.classes

    @property
    def unreadable(self) -> dict[str, str]:
        """Path of each image that was left out -> why."""
        return {row.path: reason for row, reason in self._folder.read_unreadable(self.recipe).items()}

    @property
    def metrics(self) -> dict[str, float]:
        """Of the exported model on the validation images: accuracy, loss ..., and `images`, their number.

        Empty if the run has no validation images.
        """
        metrics: dict[str, float] = dict(self._bundle.metrics_of(FP32).get("validation", {}))
        return metrics

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What stands out, each with `name`, `confidence`, `summary`, `evidence` and `try`, a command to try next."""
        return read_findings(self._require(self._folder.diagnosis))

    @property
    def history(self) -> TrainingHistory:
        """Metrics of every epoch, the loss of every step, the seconds of every stage."""
        return read_history(self._require(self._folder.history))

    @property
    def lr_find(self) -> LRFind | None:
        """What the learning rate finder found; None if the run did not look for a learning rate."""
        found = read_lr_find(self._folder.lr_find)
        return LRFind(found) if found else None

    @cached_property
    def predictions(self) -> tuple[PredictionRow, ...]:
        """One row for each validation image, the highest loss first. `pandas.DataFrame(run.predictions)` works."""
        self._require(self._folder.predictions)
        return read_predictions(self._folder.predictions, label_delimiter=self.catalog.label_delimiter)

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Confusion matrix of the validation images: int64 [K, K], a row for each true class, in `classes` order.

        Raises:
            ValueError: The images have several labels each; see `most_confused`.
        """
        if self.catalog.task != "classification":
            raise ValueError("there is no confusion matrix if images have several labels; see `most_confused`")
        return confusion_matrix(self.classes, *self._labels)

    def most_confused(self, n: int = 10) -> list[ConfusedPair]:
        """The pairs of a true class and a wrong prediction that are most frequent, at most `n`."""
        require_positive(n)
        return most_confused(*self._labels)[:n]

    def top_losses(self, n: int = 9) -> TopLosses:
        """The validation images with the highest loss, at most `n`. In a notebook they are shown."""
        require_positive(n)
        return TopLosses(self.predictions[:n], self._show_losses)

    def suspects(self, n: int = 50) -> Suspects:
        """The images that are probably wrong: by a model that has not seen them, and by the most similar images.

        Takes seconds for a few thousand images the first time. `pandas.DataFrame(run.suspects())` works.

        Args:
            n: Most of each kind: `wrong` and `off-topic`; for several labels an image `missing`, `surplus` and
                `off-topic`.

        Raises:
            TrainerError: The run has no features: its network started with random weights, or the run is of an older
                version; then `fieldguide clean RUN` computes them.
        """
        require_positive(n)
        return Suspects(find_run_suspects(self._folder.path, count=n))

    def clean(self, *, port: int = 0, browser: bool = True, root: StrPath | None = None) -> Path | None:
        """Open the page on which a person mends what is wrong, until an interrupt: the same as `fieldguide clean RUN`.

        Args:
            port: Of the page on this machine; 0: any free one.
            browser: Whether the browser is opened; the address is shown in any case.
            root: Folder of the images, if they were moved.

        Returns:
            Path of cleaned.csv, which `fit` trains on; None if nothing was decided, now or before.

        Raises:
            TrainerError: The images are not there, the port is taken, or nothing can be written in the run's folder.
        """
        return serve_clean(self._folder.path, port=port, browser=browser, root=root)

    def evaluate(
        self,
        data: StrPath | None = None,
        *,
        root: StrPath | None = None,
        path_column: str | None = None,
        label_column: str | None = None,
        suffix: str | None = None,
        class_level: int | None = None,
        pattern: str | None = None,
        any_suffix: bool | None = None,
        allow_broken: float | None = None,
        out: StrPath | None = None,
        threads: int | None = None,
        progress: bool = True,
    ) -> Evaluation:
        """Measure the bundle on labelled images that it has not seen.

        Args:
            data: Folder, table or archive; None: the test images that the run set aside.
            root: Folder that the paths of a CSV are relative to.
            path_column: Column of the CSV; None: that of the run's data.
            label_column: Column of the CSV; None: that of the run's data.
            suffix: Suffix of the images, if the paths in the table have none; None: as in the run's data.
            class_level: Level of the folder that is the label, counted from `data`; None: as in the run's data.
            pattern: Whose first group is the label in a path from `data`; None: as in the run's data.
            any_suffix: Whether files without the suffix of an image count, too; None: as in the run's data.
            allow_broken: Largest fraction of the images that may be undecodable; None: that of the run.
            out: New CSV with a line for each image, the worst mistakes first; None: it is not written.
            threads: Number of threads that decode and predict; None: one for each core.
            progress: Whether to show progress.

        Returns:
            `metrics`, the number of `images`, a `summary` of what was read, the `interval` of the accuracy,
            `calibration` (how far the probabilities can be trusted), `unreadable` images, `warnings`.

        Raises:
            TrainerError: There are no such images, or they were used in training.
            FileExistsError: `out` exists already.
        """
        options = EvaluationOptions(
            data=optional_path(data),
            root=optional_path(root),
            path_column=path_column,
            label_column=label_column,
            suffix=suffix,
            class_level=class_level,
            pattern=pattern,
            any_suffix=any_suffix,
            allow_broken=allow_broken,
            predictions=optional_path(out),
        )
        with show_progress(wanted=progress) as shown:
            return evaluate_run(self._folder.path, options, threads=usable_threads(threads), progress=shown)

    def export(
        self,
        out: StrPath | None = None,
        *,
        oci: StrPath | None = None,
        name: str = "",
        version: str | int = "1",
        golden: str | None = None,
        int8: str | None = None,
        limits_of_use: str | None = None,
        calibration: StrPath | None = None,
        max_error: float | None = None,
        confidence: float | None = None,
        set_level: float | None = None,
        sign_key: StrPath | None = None,
        root: StrPath | None = None,
        cache: StrPath | None = None,
        cache_max: str | int | None = None,
        progress: bool = True,
    ) -> Path:
        """Write a bundle from the best weights, and return its path: `out`, or without it `oci`.

        Args:
            out: New folder or .zip; None: only `oci` is written.
            oci: New folder for an OCI image layout with the bundle under /models; None: none is written.
            name: Of the bundle; empty: the run's.
            version: Of the bundle.
            golden: Images that the service checks at every start: synthetic or validation; None: as the recipe says.
            int8: Whether to export in 8-bit integers, too: auto, off or require; None: as the recipe says.
            limits_of_use: What the model must not be used for, or where it fails, a text a line; None: as the recipe
                says.
            calibration: Labelled images that chose nothing, on which temperature, thresholds and sets are fitted; None:
                as the recipe says. `fieldguide.calibrate` reads them in other ways, too.
            max_error: Largest fraction of wrong answers, such as 0.02; 0: the model always answers; None: as the recipe
                says.
            confidence: How sure that must be; None: as the recipe says.
            set_level: How often a set of labels must hold the right one; 0: no sets; None: as the recipe says.
            sign_key: Private key (Ed25519, PEM) that signs the bundle; None: it is not signed.
            root: Folder of the images, if they were moved.
            cache: Folder of decoded images; None: FIELDGUIDE_CACHE, else ~/.cache/fieldguide.
            cache_max: Largest size of that folder, as for `fit`.
            progress: Whether to show progress.

        Raises:
            TrainerError: The run has no weights yet, its images have changed, or the bundle did not pass its checks.
            FileExistsError: `out` or `oci` exists already.
        """
        options = ExportOptions(
            out=optional_path(out),
            oci=optional_path(oci),
            name=name,
            version=str(version),
            golden=golden,
            int8=int8,
            limits_of_use=limits_of_use,
            calibration=None if calibration is None else LabelledImages(path=Path(calibration)),
            max_error=max_error,
            confidence=confidence,
            set_level=set_level,
            sign_key=optional_path(sign_key),
            root=optional_path(root),
        )
        with call_environment(device="cpu", cache=cache, cache_max=cache_max, progress=progress) as environment:
            export_run(self._folder.path, options, environment)
        place = options.out or options.oci
        assert place is not None  # else export_run raised
        return place

    @cached_property
    def _bundle(self) -> Bundle:
        return read_bundle(self.bundle)

    @property
    def _labels(self) -> tuple[list[frozenset[str]], list[frozenset[str]]]:
        """True and predicted labels of the validation images."""
        return [row.labels for row in self.predictions], [row.predicted for row in self.predictions]

    def _show_losses(self, rows: Sequence[PredictionRow]) -> str:
        return top_losses_html(draw_top_losses(rows, self.catalog, Predictor(self._bundle)))

    def _require(self, file: Path) -> Path:
        self._folder.require(file)
        return file


class TopLosses(Rows[PredictionRow]):
    """Predictions with a high loss, which a notebook shows as images with heatmaps."""

    def __init__(self, rows: Sequence[PredictionRow], show: Callable[[Sequence[PredictionRow]], str]) -> None:
        super().__init__(rows)
        self._show = show

    def _repr_html_(self) -> str:
        return self._show(self._rows)

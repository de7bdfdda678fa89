"""How well scores tell images of other things from those of the classes: ours beside others, near and far strangers.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.strangers FOLDER... --root ROOT [--photos DIR] [--int8]

FOLDER is one that `tests.benchmarks.fold_runs` wrote: each of its draws has a run, the images that it was trained on
(train.csv), others of the same classes (valid.csv), and maybe those of classes that it has never seen (strangers.csv).
DIR has photos of other things. Handwritten digits, and images that are drawn (`trainer/abstention/strange.py`), are
strange to every run. Features are those of the exported model file, what its last layer gets; those of earlier layers
are the means of their maps.

The first table has the area under the curve, the mean over the draws with the least and the most. The second has what
the bundle's threshold does: it is set on one half of valid.csv, and the other half shows the false alarms, 200 times.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from PIL import Image
from scipy import special
from sklearn.covariance import ledoit_wolf
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from service.bundle import FP32, INT8, Bundle, read_bundle
from service.cores import usable_cores
from service.pixels import UInt8Array, load
from tests.benchmarks.fold_runs import kept_runs
from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.results import markdown, percent
from tests.benchmarks.training.tables import read_rows
from trainer.abstention.ood import (
    NetworkOutputs,
    OodStatistics,
    entropies,
    fit_ood,
    ood_threshold,
    unit_length,
    with_entropy,
)
from trainer.abstention.strange import KINDS, OF_EACH_KIND, strange_images
from trainer.export.ood_graph import embedder

_HALVES = 200
_DIGITS = 100
_RANKS = (16, 32, 64, 128, 256)

Values = npt.NDArray[np.float64]
Images = Mapping[str, Values]  # features, middle, logits
Score = Callable[[Images], Values]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--root", type=Path, required=True, help="folder that the paths of the tables are relative to")
    parser.add_argument("--photos", type=Path, help="photos of other things")
    parser.add_argument("--int8", action="store_true", help="of model.int8.onnx; by default of model.onnx")
    options = parser.parse_args()
    areas: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    kept: defaultdict[str, list[float]] = defaultdict(list)
    count = 0
    for folder in options.folders:
        for draw in kept_runs(folder):
            count += 1
            found = read_draw(draw, folder.name, options)
            known, strangers = found["known"], {name: each for name, each in found.items() if name not in _OWN}
            for method, score in scores_of(found["learned"], known):
                for name, images in strangers.items():
                    areas[method][name].append(area(score(known), score(images)))
            for name, value in at_threshold(found["learned"], known, strangers):
                kept[name].append(value)
    print(f"{machine('cpu')}, {versions('onnxruntime')}; {INT8 if options.int8 else FP32}; {count} runs\n")
    columns = {"method": "score", **{name: name for name in next(iter(areas.values()))}}
    rows = [
        {"method": method} | {name: spread(each) for name, each in found.items()} for method, found in areas.items()
    ]
    print(markdown(columns, rows))
    print("\nAt the threshold of the bundle, 1 % of false alarms allowed:")
    for name, values in kept.items():
        print(f"- {name}: {percent(float(np.mean(values)))} ({percent(min(values))} to {percent(max(values))})")


_OWN = ("learned", "known")


def read_draw(draw: Path, kind: str, options: argparse.Namespace) -> dict[str, Images]:
    """The features of all images for one run, by the name of what they are."""
    bundle = read_bundle(draw / "run" / "bundle")
    network = _Network(bundle, INT8 if options.int8 else FP32)
    tables = {"learned": "train.csv", "known": "valid.csv", f"left out ({kind})": "strangers.csv"}
    found: dict[str, Images] = {}
    for name, table in tables.items():
        if (draw / table).exists():
            rows = read_rows(draw / table)
            found[name] = network.read([options.root / row["path"] for row in rows])
            if name == "learned":
                labels = np.array([bundle.spec.classes.index(row["label"]) for row in rows])
                found[name] = {**found[name], "labels": labels}
    if options.photos:
        found["photos"] = network.read(sorted(path for path in options.photos.iterdir() if path.suffix != ".md"))
    size = bundle.spec.pixels.size
    digits = [Image.fromarray((15.9 * image).astype(np.uint8)) for image in load_digits().images[:_DIGITS]]
    found["digits"] = network.run(
        np.stack([np.asarray(image.resize((size, size), Image.Resampling.BICUBIC).convert("RGB")) for image in digits])
    )
    drawn = strange_images(size)
    for number, name in enumerate(KINDS):
        found[name] = network.run(drawn[number * OF_EACH_KIND : (number + 1) * OF_EACH_KIND])
    return found


class _Network:
    """A model file, with what its layers give."""

    def __init__(self, bundle: Bundle, file: str) -> None:
        data, self._bundle = bundle.models[file], bundle
        self._embed = embedder(data)
        model = onnx.load_from_string(data)
        self._middle = [node.output[0] for node in model.graph.node if node.op_type == "Add" and node.output[0]]
        known = {output.name for output in model.graph.output}
        model.graph.output.extend(
            onnx.helper.make_empty_tensor_value_info(name) for name in self._middle if name not in known
        )
        session = ort.SessionOptions()
        session.intra_op_num_threads = 1
        self._session = ort.InferenceSession(model.SerializeToString(), session, providers=["CPUExecutionProvider"])

    def read(self, files: list[Path]) -> Images:
        """What the layers give for image files, in order."""
        with ThreadPoolExecutor(usable_cores()) as pool:
            return _joined(list(pool.map(self._run_file, files)))

    def run(self, images: UInt8Array) -> Images:
        """The same for decoded images."""
        return _joined([self._run(image) for image in images])

    def _run_file(self, file: Path) -> Images:
        return self._run(load(file.read_bytes(), self._bundle.spec.pixels).pixels)

    def _run(self, image: UInt8Array) -> Images:
        batch = image[np.newaxis]
        outputs = self._embed(batch)
        maps = self._session.run(self._middle, {"image": batch})
        middle = [each.mean((2, 3)) for each in maps if each.ndim == 4]
        return {
            "features": outputs.features.astype(np.float64),
            "middle": np.concatenate(middle, axis=1) if middle else np.zeros((1, 0)),
            "logits": special.log_softmax(outputs.logits.astype(np.float64), axis=1),
        }


def _joined(parts: list[Images]) -> Images:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def outputs_of(images: Images) -> NetworkOutputs:
    """What the bundle's score is made of."""
    return NetworkOutputs(features=images["features"], logits=images["logits"])


def bundle_statistics(learned: Images, known: Images) -> OodStatistics:
    """What an export finds."""
    return with_entropy(fit_ood(learned["features"], learned["labels"].astype(np.int64)), outputs_of(known))


def scores_of(learned: Images, known: Images) -> Iterator[tuple[str, Score]]:
    """Every way to score how strange images are; `learned` has `labels`, and `known` are others of the classes."""
    labels = learned["labels"].astype(np.int64)

    def distance(rank: int) -> Score:
        statistics = fit_ood(learned["features"], labels, rank=rank)
        return lambda images: statistics.distances(images["features"])

    ours = bundle_statistics(learned, known)
    yield "**the bundle's: distance and entropy**", lambda images: ours.scores(outputs_of(images))
    yield "entropy at temperature 3", lambda images: entropies(images["logits"])
    for rank in _RANKS:
        yield f"Mahalanobis++, {rank} directions and the rest", distance(rank)
    yield "the same, 64, without the rest", _without_rest(fit_ood(learned["features"], labels))
    yield "Mahalanobis++, all directions, shrunk", _full(learned["features"], labels, units=True)
    yield "Mahalanobis, all directions, shrunk", _full(learned["features"], labels, units=False)
    yield "relative Mahalanobis++", _relative(learned["features"], labels)
    if learned["middle"].shape[1]:
        inner = fit_ood(learned["middle"], labels)
        yield "Mahalanobis++ of middle layers, 64", lambda images: inner.distances(images["middle"])
    for count in (1, 10, 50):
        yield f"{count}th nearest neighbour, cosine", _neighbour(learned["features"], count)
    yield "fDBD", _boundary_distance(learned)
    yield "largest probability", lambda images: -images["logits"].max(axis=1)
    yield "entropy", lambda images: -(np.exp(images["logits"]) * images["logits"]).sum(axis=1)


def _without_rest(statistics: OodStatistics) -> Score:
    def score(images: Images) -> Values:
        projected = (unit_length(images["features"]) - statistics.centre) @ statistics.directions * statistics.scales
        return np.asarray(((projected[:, np.newaxis] - statistics.means) ** 2).sum(2).min(1))

    return score


def _full(features: Values, labels: npt.NDArray[np.int64], *, units: bool) -> Score:
    """One shrunk covariance of all directions (Ledoit and Wolf 2004)."""
    prepare = unit_length if units else np.asarray
    known = prepare(features)
    means = np.stack([known[labels == label].mean(axis=0) for label in np.unique(labels)])
    positions = np.unique(labels, return_inverse=True)[1]
    covariance, _ = ledoit_wolf(known - means[positions], assume_centered=True)
    root = np.linalg.cholesky(np.linalg.inv(covariance))
    turned = means @ root

    def score(images: Images) -> Values:
        found = prepare(images["features"]) @ root
        return np.asarray(((found**2).sum(1)[:, np.newaxis] - 2 * found @ turned.T + (turned**2).sum(1)).min(1))

    return score


def _relative(features: Values, labels: npt.NDArray[np.int64]) -> Score:
    """The distance to a class less that to all images together (Ren et al. 2021, arXiv:2106.09022)."""
    own, everything = _full(features, labels, units=True), _full(features, np.zeros_like(labels), units=True)
    return lambda images: own(images) - everything(images)


def _neighbour(features: Values, count: int) -> Score:
    """Sun et al. 2022, arXiv:2204.06507."""
    known = unit_length(features)
    return lambda images: -np.sort(unit_length(images["features"]) @ known.T, axis=1)[:, -count]


def _boundary_distance(learned: Images) -> Score:
    """The distance to the boundaries of other classes (Liu and Qin 2024, arXiv:2312.11536), these by least squares."""
    features, logits = learned["features"], learned["logits"] - learned["logits"].mean(axis=1, keepdims=True)
    centre = features.mean(axis=0)
    weights = np.linalg.lstsq(np.c_[features, np.ones(len(features))], logits, rcond=None)[0][:-1].T
    lengths = np.linalg.norm(weights[:, np.newaxis] - weights, axis=2)

    def score(images: Images) -> Values:
        best = images["logits"].argmax(axis=1)
        rows = np.arange(len(best))
        margins = images["logits"][rows, best][:, np.newaxis] - images["logits"]
        distances = margins / np.where(lengths[best] > 0, lengths[best], np.inf)
        return np.asarray(-distances.sum(1) / np.linalg.norm(images["features"] - centre, axis=1))

    return score


def at_threshold(learned: Images, known: Images, strangers: Mapping[str, Images]) -> Iterator[tuple[str, float]]:
    """Fractions of images that are over the threshold of half of the known ones, mean over many halves."""
    statistics = bundle_statistics(learned, known)
    scores = statistics.scores(outputs_of(known))
    strange = {name: statistics.scores(outputs_of(images)) for name, images in strangers.items()}
    random = np.random.default_rng(0)
    alarms, found = [], defaultdict(list)
    for _ in range(_HALVES):
        order = random.permutation(len(scores))
        half = len(order) // 2
        threshold = ood_threshold(scores[order[:half]])
        assert threshold is not None
        alarms.append(float((scores[order[half:]] > threshold).mean()))
        for name, each in strange.items():
            found[name].append(float((each > threshold).mean()))
    yield "false alarms", float(np.mean(alarms))
    for name, fractions in found.items():
        yield f"{name}: recognized", float(np.mean(fractions))


def area(known: Values, strange: Values) -> float:
    """Area under the curve: how often a stranger has the higher score of two."""
    return float(roc_auc_score(np.repeat([0, 1], [len(known), len(strange)]), np.concatenate([known, strange])))


def spread(values: list[float]) -> str:
    """The mean, with the least and the most if they differ."""
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()

"""What to know about images and their labels before training, in sentences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from service.inputs import first_few
from trainer.catalog.labels import find_spellings, natural_key
from trainer.catalog.row import Row, Split
from trainer.wording import counted, have

_EXAMPLES = 3


def summary_line(rows: Sequence[Row], classes: Sequence[str], *, source: str, labelled_by: str, drawn: bool) -> str:
    """What was read, in one line: how many images of how many classes, from where, their splits, and their labels.

    Args:
        rows: Every image.
        classes: The labels of the training images, in order.
        source: Where the images are.
        labelled_by: Where the labels come from, in a few words; empty if that is not known.
        drawn: Whether the validation images were drawn.
    """
    splits = Counter(row.split for row in rows)
    valid = f"{splits['valid']:,} validation{' drawn at random' if drawn else ''}"
    if splits["train"] and not splits["valid"]:
        valid = "no validation"
    counts = Counter(label for row in rows for label in row.labels)
    most, fewest = (chosen(classes, key=lambda label: counts[label], default="") for chosen in (max, min))
    sizes = f"most images: {most} {counts[most]:,}, fewest: {fewest} {counts[fewest]:,}"
    examples = [f"{path} -> {label}" for path, label in label_examples(rows, classes, count=_EXAMPLES)]
    labels = f"; labels: {labelled_by}, {', '.join(examples)}" if labelled_by else ""
    return (
        f"{source}: {counted(len(rows), 'image')} of {counted(len(classes), 'class', 'classes')}: "
        f"{splits['train']:,} train, {valid}, {splits['test']:,} test; "
        f"{sizes if counts[most] > counts[fewest] else f'{counts[most]:,} of each class'}{labels}"
    )


def label_examples(rows: Sequence[Row], classes: Sequence[str], *, count: int) -> list[tuple[str, str]]:
    """Paths of images with their labels: the first image of some classes, evenly spaced, then further images.

    Returns:
        At most `count` pairs of a path and its labels, joined by ` + `.
    """
    first: dict[str, Row] = {}
    for row in rows:
        for label in row.labels:
            first.setdefault(label, row)
    step = max(1, (len(classes) - 1) / max(1, count - 1))
    chosen = dict.fromkeys(first[classes[round(number * step)]].path for number in range(min(count, len(classes))))
    further = (row.path for row in rows if row.path not in chosen)
    chosen |= dict.fromkeys(path for path, _ in zip(further, range(count - len(chosen)), strict=False))
    labels = {
        row.path: " + ".join(sorted(row.labels, key=natural_key)) or "no label" for row in rows if row.path in chosen
    }
    return [(path, labels[path]) for path in chosen]


def similar_labels(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a remark about labels that differ only in how they are written."""
    counts = Counter(label for row in rows for label in row.labels)
    found = find_spellings(counts)
    if found:
        shown = [
            " and ".join(f"{label!r} ({counts[label]:,})" for label in (one, *more)) for one, more in found.items()
        ]
        yield (
            f"{len(found):,} labels are written in several ways, which differ only in case, blanks, _, - or Unicode "
            f"form, and each is a class of its own: {first_few(shown)}; `merge_labels=True` joins them."
        )


def thin_classes(rows: Sequence[Row], classes: Sequence[str]) -> Iterator[str]:
    """Yield warnings about classes with a single training image or without validation images."""
    counts: Mapping[Split, Counter[str]] = {"train": Counter(), "valid": Counter(), "test": Counter()}
    for row in rows:
        counts[row.split].update(row.labels)
    total = len(classes)
    single = [repr(name) for name in classes if counts["train"][name] == 1]
    unmeasured = [repr(name) for name in classes if not counts["valid"][name]]
    if single:
        yield f"{len(single):,} of {total:,} classes {have(len(single))} a single training image: {first_few(single)}."
    if unmeasured and any(row.split == "valid" for row in rows):
        yield (
            f"{len(unmeasured):,} of {total:,} classes {have(len(unmeasured))} no validation image, so nothing is "
            f"measured on them: {first_few(unmeasured)}."
        )


def leaked_images(rows: Sequence[Row], split: Split) -> Iterator[str]:
    """Yield a warning about images of a split that are exact copies of images in an earlier one."""
    earlier: tuple[Split, ...] = ("train",) if split == "valid" else ("train", "valid")
    originals = {row.sha256: row.path for row in rows if row.split in earlier and row.sha256}
    copies = [f"{row.path} = {originals[row.sha256]}" for row in rows if row.split == split and row.sha256 in originals]
    if copies:
        where = "training images" if split == "valid" else "training or validation images"
        yield (
            f"{len(copies):,} {split} images are byte for byte also among the {where}, so the result on them will look "
            f"too good: {first_few(copies)}."
        )


def contradicted_labels(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a warning about files with the same content and different labels."""
    copies: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.sha256:
            copies[row.sha256].append(row)
    found = [same for same in copies.values() if len({row.labels for row in same}) > 1]
    if found:
        shown = [" = ".join(row.path for row in same[:3]) for same in found]
        yield (
            f"{len(found):,} images are there under different labels, byte for byte the same, so at least one of the "
            f"labels is wrong: {first_few(shown)}."
        )


def uniform_classes(rows: Sequence[Row], classes: Sequence[str]) -> Iterator[str]:
    """Yield a warning about classes that have several images, all with the same content."""
    contents: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for label in row.labels:
            contents[label][row.sha256 or row.path] += 1
    uniform = [
        f"{label!r} ({contents[label].total():,} images)"
        for label in classes
        if len(contents[label]) == 1 and contents[label].total() > 1
    ]
    if uniform:
        yield (
            f"{len(uniform):,} classes have only one picture, in several identical files, so little can be learned "
            f"about them: {first_few(uniform)}."
        )

"""Which images are for validation and for testing: what the data says, a list, a function, or a random part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from service.inputs import InputError, first_few, relative_path
from trainer.catalog.options import ReadOptions, compile_pattern, first_group
from trainer.catalog.row import SPLIT_NAMES, Row, Source, Split
from trainer.catalog.split import HoldOut
from trainer.errors import CatalogError
from trainer.recipe import SIMILAR


def assign_splits(data: Path, source: Source, options: ReadOptions) -> tuple[tuple[Row, ...], HoldOut | None]:
    """Give every row its split.

    Args:
        data: What the source was read from, for messages.
        source: Its rows, with the splits that it has.
        options: Decide which of them count.

    Returns:
        The rows, and the rule if validation images were drawn.

    Raises:
        CatalogError: The data has no splits and should have, a line of the list is not an image, or a function gives
            something else than a split.
    """
    rows = source.rows
    if options.split == "folder" and not any(row.split == "valid" for row in rows):
        raise CatalogError(
            f"{data}: `split='folder'` needs validation images: in a folder called valid, or by the column split; "
            "leave it out to hold out a random part."
        )
    if not options.uses_own_splits:
        rows = tuple(replace(row, split="train") for row in rows)
    if options.valid_list is not None:
        listed = _read_list(options.valid_list, rows, root=source.root)
        rows = tuple(replace(row, split="valid") if row.path in listed else row for row in rows)
    elif options.split_of is not None:
        rows = tuple(replace(row, split=_known_split(options.split_of(source.root / row.path), row)) for row in rows)
    if options.split == "none" or any(row.split == "valid" for row in rows):
        return rows, None
    drawn = HoldOut(fraction=options.valid_fraction, seed=options.seed)
    return drawn.apply(rows), drawn


def assign_groups(data: Path, rows: Sequence[Row], options: ReadOptions) -> tuple[Row, ...]:
    """Give every row its group, by a pattern for its path. Groups that a column of the table gave stay.

    Near duplicates are only known when the images have been decoded; see `trainer.run.similar`.

    Raises:
        CatalogError: `group_by` is neither a column of the table nor a regular expression with a group.
    """
    if options.group_by in ("", SIMILAR) or any(row.group for row in rows):
        return tuple(rows)
    try:
        pattern = compile_pattern(options.group_by, "group_by")
    except CatalogError as error:
        raise CatalogError(f"{data}: there is no column {options.group_by!r} with groups, and {error}") from error
    found = tuple(replace(row, group=first_group(pattern, row.path) or "") for row in rows)
    if not any(row.group for row in found):
        raise CatalogError(
            f"{data}: `group_by` {options.group_by!r} finds no group in any path, such as {rows[0].path}; it is "
            "searched for in / and the path."
        )
    return found


def divided_groups(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a remark if images of one group are in several splits, because the data itself divides them."""
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.group:
            splits[row.group].add(row.split)
    divided = sorted(group for group, found in splits.items() if len(found) > 1)
    if divided:
        yield (
            f"{len(divided):,} groups have images in several splits of the data, so the result will look too good: "
            f"{first_few([repr(group) for group in divided])}; `split='random'` keeps groups together."
        )


def _read_list(file: Path, rows: Sequence[Row], *, root: Path) -> set[str]:
    """Return the paths of the rows that a list names: paths from the root, or names that only one image has."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise CatalogError(f"{file}: the list of validation images cannot be read ({reason}).") from error
    paths = {row.path for row in rows}
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_name[PurePosixPath(path).name].append(path)
    found, unknown = set(), []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            path = relative_path(line.strip(), root=root, where=f"{file}, line {number}")
        except InputError as error:
            raise CatalogError(str(error)) from error
        named = [path] if path in paths else by_name.get(path, [])
        if len(named) == 1:
            found.add(named[0])
        else:
            several = f", which {len(named)} images have" if named else ""
            unknown.append(f"line {number}: {line.strip()!r}{several}")
    if unknown or not found:
        shown = first_few(unknown) if unknown else "it has no line"
        raise CatalogError(
            f"{file}: {len(unknown):,} of {len(lines):,} lines do not name one of the images ({shown}); give paths "
            f"from {root}, one a line."
        )
    return found


def _known_split(name: object, row: Row) -> Split:
    split = SPLIT_NAMES.get(str(name).strip().casefold())
    if split is None:
        raise CatalogError(f"{row.path}: the function for splits gives {name!r}; it must be train, valid or test.")
    return split

"""The result of a check as text and as CSV."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TextIO

from trainer.atomic import atomic_write_text
from trainer.checking.findings import CheckResult, Finding, FoundImage
from trainer.checking.kinds import KINDS
from trainer.checking.page import render_page
from trainer.errors import CheckError

# Suffixes of the files that a check can write.
FILE_SUFFIXES = (".html", ".json", ".csv")
_COLUMNS = ("kind", "path", "label", "split", "group", "keep", "detail")
_LISTED = 5


def result_text(result: CheckResult) -> str:
    """The result in lines for people: every finding with its first images."""
    lines = [f"{result.summary}; checked in {result.seconds:.1f} s"]
    lines += [f"note: {remark}" for remark in result.remarks]
    for finding in result.findings:
        lines += ["", *_finding_lines(finding)]
    if not result.findings:
        lines.append("nothing was found")
    return "\n".join(lines)


def write_result(result: CheckResult, path: Path) -> None:
    """Write a new file: the page, the JSON object or the table, as its suffix says.

    Raises:
        FileExistsError: There is a file already.
        CheckError: The suffix is another one.
    """
    require_new_file(path)
    content = {".html": render_page, ".json": _json_text}.get(path.suffix)
    with atomic_write_text(path) as file:
        if content is None:
            _write_csv(result, file)
        else:
            file.write(content(result))


def require_new_file(path: Path) -> None:
    """Check that a file can be written before the work starts; raises what `write_result` does."""
    if path.suffix not in FILE_SUFFIXES:
        raise CheckError(f"{path}: give a file that ends in {', '.join(FILE_SUFFIXES)} as `out`")
    if path.exists() or path.is_symlink():
        raise FileExistsError(f"{path}: exists already; give another file, or move it away")


def _json_text(result: CheckResult) -> str:
    return json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n"


def _write_csv(result: CheckResult, file: TextIO) -> None:
    """One line for each finding of each image, and one for each finding without images."""
    table = csv.writer(file, lineterminator="\n")
    table.writerow(_COLUMNS)
    for finding in result.findings:
        for image in finding.images:
            group = "" if image.group is None else image.group
            keep = "" if image.group is None else int(image.keep)
            table.writerow((finding.kind, image.path, ";".join(image.labels), image.split, group, keep, image.detail))
        if not finding.images:
            table.writerow((finding.kind, "", "", "", "", "", finding.summary))


def _finding_lines(finding: Finding) -> list[str]:
    lines = [f"{finding.kind}: {finding.summary}", f"  {KINDS[finding.kind].advice}"]
    lines += [f"  {detail}" for detail in finding.details[:_LISTED]]
    if len(finding.details) > _LISTED:
        lines.append(f"  ... and {len(finding.details) - _LISTED:,} more")
    if KINDS[finding.kind].examples:
        return lines
    lines += [_image_line(image) for image in finding.images[:_LISTED]]
    if len(finding.images) > _LISTED:
        lines.append(f"  ... and {len(finding.images) - _LISTED:,} more images")
    return lines


def _image_line(image: FoundImage) -> str:
    group = "" if image.group is None else f"group {image.group + 1}, "
    return f"  {image.path}: {group}{image.detail}{', keep' if image.group is not None and image.keep else ''}"

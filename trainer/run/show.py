"""What a training with a recipe would feed the network, as a contact sheet. It needs no run, and changes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from service.inputs import first_few
from trainer.atomic import atomic_write_bytes
from trainer.catalog import Catalog, Row, hash_files
from trainer.errors import CatalogError, RecipeError
from trainer.model import load_backbone
from trainer.progress import Progress
from trainer.recipe import RANDOM_WEIGHTS, Recipe
from trainer.report.contact_sheet import ContactSheet, draw_contact_sheet, draw_image_sheet
from trainer.run.folder import first_free, require_free, require_outside
from trainer.run.inputs import read_recipe_catalog
from trainer.training.phases import for_backbone

_SUFFIXES = (".html", ".png")


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """Which images are shown.

    Attributes:
        count: Number of images of each split, if there are as many.
        class_name: Only images with this label; None: of different classes if possible.
        image: Path of a single image, as it is or from the catalog's root; None: several images.
    """

    count: int = 12
    class_name: str | None = None
    image: Path | None = None

    def __post_init__(self) -> None:
        if self.image is not None and self.class_name is not None:
            raise RecipeError("a single image and a class are both given; leave out one of them")


def show_images(
    recipe: Recipe, options: ShowOptions, *, threads: int, progress: Progress, catalog: Catalog | None = None
) -> ContactSheet:
    """Draw the contact sheet of some images.

    Args:
        recipe: What would be trained, and on which images.
        options: Which of them are shown.
        threads: Number of files that are read at the same time.
        progress: Is advanced by every file.
        catalog: The images, if they are not those of the recipe.

    Raises:
        TrainerError: The images, the backbone or the recipe cannot be used; there is no such class or image; or none
            of the images can be decoded.
    """
    catalog = catalog or read_recipe_catalog(recipe)
    backbone = load_backbone(recipe.backbone, size=recipe.size or None, weights=RANDOM_WEIGHTS)
    recipe = for_backbone(recipe, backbone)
    if catalog.drawn is not None:  # as in `fit`: identical files share a split
        progress.start("read files", len(catalog.rows), "files")
        files = [catalog.file_of(row) for row in catalog.rows]
        catalog = catalog.with_hashes(hash_files(files, threads=threads, on_progress=progress.advance).digests)
    if options.image is not None:
        return draw_image_sheet(catalog, recipe, backbone.pixels, row=_find(catalog, options.image))
    return draw_contact_sheet(catalog, recipe, backbone.pixels, count=options.count, class_name=options.class_name)


def choose_sheet(out: Path | None, data: Path | None) -> Path:
    """Return where a contact sheet goes: `out`, or the first free one of sheets/NAME.html, sheets/NAME-2.html ...

    Args:
        out: A .png or .html, or None.
        data: Folder or CSV of the images, which are not read; None: they have no folder, and `out` is given.

    Raises:
        RecipeError: `out` has another suffix.
        RunError: It would be among the images.
        FileExistsError: There is something at `out`.
    """
    if out is None:
        name = "" if data is None else data.resolve().name if data.is_dir() else data.stem
        out = first_free(Path("sheets", name or "images"), suffix=".html")
    if out.suffix.lower() not in _SUFFIXES:
        raise RecipeError(f"{out}: a contact sheet is a page or an image; give `out` the suffix .html or .png")
    require_outside(out, [str(data or "")], kind="file")
    require_free(out)
    return out


def write_contact_sheet(sheet: ContactSheet, out: Path) -> None:
    """Write a sheet as what the suffix of `out` says. Raises FileExistsError if there is something at `out`."""
    require_free(out)
    if out.suffix.lower() == ".png":
        from trainer.report.contact_sheet_png import contact_sheet_png  # matplotlib takes a second to import

        content = contact_sheet_png(sheet)
    else:
        from trainer.report.contact_sheet_page import render_contact_sheet

        content = render_contact_sheet(sheet).encode()
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(out, content)


def _find(catalog: Catalog, image: Path) -> Row:
    """The row of an image; raises CatalogError if there is none."""
    candidates = {os.path.normpath(image.as_posix()), os.path.relpath(image.resolve(), catalog.root)}
    found = [row for row in catalog.rows if row.path in candidates]
    if not found:
        name = image.name.casefold()
        close = [row.path for row in catalog.rows if row.path.casefold().endswith(name)] or [catalog.rows[0].path]
        raise CatalogError(
            f"{image}: this is not one of the images of {catalog.root}; give one of them: {first_few(close)}"
        )
    return found[0]

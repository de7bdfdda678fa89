from __future__ import annotations

from pathlib import Path

from markdown_it import MarkdownIt

from service.bundle import read_bundle
from tests.support.photos import write_folder
from tests.support.trainer import fit, trainer

NAMES = ("<b>bold", "*star* and _line_", "[here](https:x.y) `code`")


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    """A class called <b> made the rest of the card bold."""
    photos = write_folder(tmp_path / "photos", each=4)
    for folder, name in zip(sorted(photos.iterdir()), NAMES, strict=True):
        folder.rename(photos / name)
    result = fit(photos, tmp_path / "run", "--epochs", "1", "--name", "my_pets_2 <i>")
    assert result.exit_code == 0, result.stderr
    page = MarkdownIt("commonmark").render(read_bundle(tmp_path / "run" / "bundle").card)
    assert "<h1>my_pets_2 &lt;i&gt; 1</h1>" in page
    shown = sorted(name.replace("<", "&lt;").replace(">", "&gt;") for name in NAMES)
    assert all(name in page for name in shown), page


def test_limits_of_use_are_in_the_card_and_the_spec(tmp_path: Path) -> None:
    """Those of the user first; of an export, if it has its own."""
    photos = write_folder(tmp_path / "photos", each=4)
    run, cache = tmp_path / "run", ("--cache", tmp_path / "cache")
    assert fit(photos, run, "--epochs", "1", "--limits-of-use", "Not for *wild* bears.\n\nNot at night.").exit_code == 0
    bundle = read_bundle(run / "bundle")
    assert bundle.spec.limits_of_use[:2] == ("Not for *wild* bears.", "Not at night.")
    assert any("medicine" in text for text in bundle.spec.limits_of_use)
    assert "- Not for \\*wild\\* bears.\n- Not at night.\n" in bundle.card
    again = trainer("export", run, "--out", tmp_path / "again", *cache, "--limits-of-use", "Only indoors.")
    assert again.exit_code == 0, again.stderr
    texts = read_bundle(tmp_path / "again").spec.limits_of_use
    assert texts == ("Only indoors.", *bundle.spec.limits_of_use[2:])

"""The cleaning of labels from Python: a table of suspects, and the page."""

from __future__ import annotations

import html
from pathlib import Path

from fieldguide.paths import StrPath, optional_path
from fieldguide.progress import show_progress
from fieldguide.rows import Rows
from service.ui import notebook_html
from trainer.cleaning.web.server import Address
from trainer.cleaning.web.serving import serve_page
from trainer.run.clean import open_cleaning
from trainer.run.suspects import Suspect

_COLUMNS = ("kind", "path", "split", "labels", "proposal", "probability", "reason")


class Suspects(Rows[Suspect]):
    """Images that are probably wrong, the most suspect of each kind first. `pandas.DataFrame(suspects)` works."""

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in _cells(row))}</tr>" for row in self._rows)
        return notebook_html(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def serve_clean(run: Path, *, port: int, browser: bool, root: StrPath | None) -> Path | None:
    """Serve the page of a run until an interrupt; see `Run.clean`."""
    cleaning = open_cleaning(run, root=optional_path(root))
    address = Address(port=port)
    with show_progress(wanted=True) as shown:
        for note in cleaning.views.notes:
            shown.info(note)
        serve_page(
            cleaning.views,
            cleaning.tools,
            cleaning.background,
            address,
            browser=browser,
            on_url=lambda url: shown.info(f"open {url}; an interrupt ends it"),
        )
    if not any(cleaning.session.counts.values()):
        return None
    cleaning.session.write_cleaned()
    return cleaning.session.subject.cleaned


def _cells(row: Suspect) -> list[str]:
    probability = "" if row.probability is None else f"{row.probability:.0%}"
    cells = (row.kind, row.path, row.split, ", ".join(row.labels), row.proposal or "", probability, row.reason)
    return [html.escape(cell) for cell in cells]

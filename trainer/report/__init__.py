"""report.html: what a run learned, how well, and where it fails, in one file that needs no network."""

from trainer.report.page import write_report

__all__ = ["write_report"]

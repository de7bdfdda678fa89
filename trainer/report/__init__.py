"""The training report: one self-contained HTML page about a run, which needs no network."""

from trainer.report.page import ReportData, render_report

__all__ = ["ReportData", "render_report"]

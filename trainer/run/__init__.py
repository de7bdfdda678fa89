"""RUN, the folder of a training, and one module for each job on it: fit, resume, lr-find, evaluate, export, report."""

from trainer.run.environment import Environment, open_environment, usable_threads
from trainer.run.evaluate import Evaluation, EvaluationOptions, evaluate_run
from trainer.run.export import ExportOptions, export_run
from trainer.run.fit import RunResult, choose_run, fit_run, follow_run, resume_run
from trainer.run.folder import RunFolder
from trainer.run.import_model import import_model
from trainer.run.import_options import DataOptions, ImportOptions
from trainer.run.lr_find import find_lr
from trainer.run.report import read_report_data, report_run
from trainer.run.show import ShowOptions, choose_sheet, show_images, write_contact_sheet

__all__ = [
    "DataOptions",
    "Environment",
    "Evaluation",
    "EvaluationOptions",
    "ExportOptions",
    "ImportOptions",
    "RunFolder",
    "RunResult",
    "ShowOptions",
    "choose_run",
    "choose_sheet",
    "evaluate_run",
    "export_run",
    "find_lr",
    "fit_run",
    "follow_run",
    "import_model",
    "open_environment",
    "read_report_data",
    "report_run",
    "resume_run",
    "show_images",
    "usable_threads",
    "write_contact_sheet",
]

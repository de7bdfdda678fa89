"""RUN, the folder of a training, and one module for each job on it: fit, resume, lr-find, evaluate, export, calibrate,
report.

Names are imported when they are first used: not every job needs torch.
"""

from typing import TYPE_CHECKING

from trainer.lazy import lazy_names

if TYPE_CHECKING:
    from trainer.run.calibrate import Calibrated as Calibrated
    from trainer.run.calibrate import calibrate_run as calibrate_run
    from trainer.run.calibration_set import LabelledImages as LabelledImages
    from trainer.run.environment import Environment as Environment
    from trainer.run.environment import open_environment as open_environment
    from trainer.run.environment import usable_threads as usable_threads
    from trainer.run.evaluate import Evaluation as Evaluation
    from trainer.run.evaluate import EvaluationOptions as EvaluationOptions
    from trainer.run.evaluate import evaluate_run as evaluate_run
    from trainer.run.export import ExportOptions as ExportOptions
    from trainer.run.export import export_run as export_run
    from trainer.run.fit import RunResult as RunResult
    from trainer.run.fit import choose_run as choose_run
    from trainer.run.fit import fit_run as fit_run
    from trainer.run.fit import follow_run as follow_run
    from trainer.run.fit import resume_run as resume_run
    from trainer.run.folder import RunFolder as RunFolder
    from trainer.run.import_options import DataOptions as DataOptions
    from trainer.run.import_options import ImportOptions as ImportOptions
    from trainer.run.lr_find import find_lr as find_lr
    from trainer.run.report import read_report_data as read_report_data
    from trainer.run.report import report_run as report_run
    from trainer.run.show import ShowOptions as ShowOptions
    from trainer.run.show import choose_sheet as choose_sheet
    from trainer.run.show import show_images as show_images
    from trainer.run.show import write_contact_sheet as write_contact_sheet

_MODULES = {
    **dict.fromkeys(("Calibrated", "calibrate_run"), "calibrate"),
    "LabelledImages": "calibration_set",
    **dict.fromkeys(("Environment", "open_environment", "usable_threads"), "environment"),
    **dict.fromkeys(("Evaluation", "EvaluationOptions", "evaluate_run"), "evaluate"),
    **dict.fromkeys(("ExportOptions", "export_run"), "export"),
    **dict.fromkeys(("RunResult", "choose_run", "fit_run", "follow_run", "resume_run"), "fit"),
    "RunFolder": "folder",
    **dict.fromkeys(("DataOptions", "ImportOptions"), "import_options"),
    "find_lr": "lr_find",
    **dict.fromkeys(("read_report_data", "report_run"), "report"),
    **dict.fromkeys(("ShowOptions", "choose_sheet", "show_images", "write_contact_sheet"), "show"),
}

__getattr__ = lazy_names(__name__, _MODULES)

"""RUN, and the jobs that the verbs ask for, each a walk through the rooms: fit, resume, evaluate, export and others."""

from trainer.run.environment import Environment
from trainer.run.evaluate import Evaluation, EvaluationOptions, evaluate_run
from trainer.run.export import export_run
from trainer.run.fit import Outcome, fit_run, follow_run, resume_run
from trainer.run.lr_find import find_lr
from trainer.run.report import report_run

__all__ = [
    "Environment",
    "Evaluation",
    "EvaluationOptions",
    "Outcome",
    "evaluate_run",
    "export_run",
    "find_lr",
    "fit_run",
    "follow_run",
    "report_run",
    "resume_run",
]

"""RUN, and the jobs that the verbs ask for, each a walk through the rooms: fit, resume, evaluate, export and others."""

from trainer.run.environment import Environment
from trainer.run.evaluation import Evaluation, EvaluationOptions, evaluate_run
from trainer.run.export import export_run
from trainer.run.rates import find_rates
from trainer.run.report import report_run
from trainer.run.training import Outcome, fit_run, follow_run, resume_run

__all__ = [
    "Environment",
    "Evaluation",
    "EvaluationOptions",
    "Outcome",
    "evaluate_run",
    "export_run",
    "find_rates",
    "fit_run",
    "follow_run",
    "report_run",
    "resume_run",
]

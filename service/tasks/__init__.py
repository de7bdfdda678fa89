"""What each task makes of a model's probabilities: one module a task, each with one object.

shapes          what the responses of every task have
classification  one label for each image
multilabel      any number of labels for each image
"""

from __future__ import annotations

from collections.abc import Mapping

from service.bundle.spec import Task
from service.tasks.classification import Classification
from service.tasks.multilabel import Multilabel

__all__ = ["TASKS"]

TASKS: Mapping[Task, Classification | Multilabel] = {"classification": Classification(), "multilabel": Multilabel()}

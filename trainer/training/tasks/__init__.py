"""What each task means in training: one module a task, each with one object.

numbers         what both need
classification  one label for each image
multilabel      any number of labels for each image
"""

from __future__ import annotations

from collections.abc import Mapping

from service.bundle.spec import Task
from trainer.training.tasks.classification import Classification
from trainer.training.tasks.multilabel import Multilabel

__all__ = ["TASKS"]

TASKS: Mapping[Task, Classification | Multilabel] = {"classification": Classification(), "multilabel": Multilabel()}

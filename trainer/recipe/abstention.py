"""When a model does not answer, and which images decide that: one section of a recipe."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.recipe.knobs import check_settings, knob

ABSTENTION_GROUP = "Answers that are not given (chosen at export)"


@dataclass(frozen=True, kw_only=True)
class AbstentionRecipe:
    """What the bundle promises of its answers."""

    calibration: str = knob(
        "",
        "Folder, table or archive of labelled images that chose nothing: temperature, thresholds and sets are fitted "
        "on them.",
        group=ABSTENTION_GROUP,
        option="calibration",
        is_path=True,
        only_fit=True,
        default_text="the validation images; what `max_error` promises is then optimistic",
    )
    max_error: float = knob(
        0.0,
        "Largest fraction of the answers that may be wrong, such as 0.02: a prediction that is too uncertain for that "
        "is not given.",
        group=ABSTENTION_GROUP,
        option="max-error",
        low=1e-4,
        high=0.5,
        accepts_zero=True,
        only_fit=True,
        default_text="0, every prediction is given",
    )
    confidence: float = knob(
        0.95,
        "How sure it must be that `max_error` is kept.",
        group=ABSTENTION_GROUP,
        option="confidence",
        low=0.5,
        high=0.9999,
        only_fit=True,
    )
    set_level: float = knob(
        0.95,
        "Fraction of the images whose set of labels must hold the right one; 0: no sets. One label for each image "
        "only.",
        group=ABSTENTION_GROUP,
        option="set-level",
        low=0.5,
        high=0.999,
        accepts_zero=True,
        only_fit=True,
    )

    def __post_init__(self) -> None:
        check_settings(self, "abstention.")

"""What the predictions of every task look like as JSON."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from service.prediction import Abstained, Label, Prediction

Probability = Annotated[float, {"minimum": 0, "maximum": 1}]


class LabelResponse(TypedDict):
    """One class and its probability."""

    label: str
    index: Annotated[int, {"minimum": 0, "description": "position in the model's list of classes"}]
    probability: Probability


class ImageResponse(TypedDict):
    """Format and upright size of the image, as its content says."""

    format: str
    width: int
    height: int


class ModelResponse(TypedDict):
    """The model that made the prediction."""

    name: str
    version: str
    digest: str


class TimingResponse(TypedDict):
    """Wall time of the stages, milliseconds."""

    decode: float
    infer: float
    total: float


class HeatmapResponse(TypedDict):
    """Where the model sees the best class."""

    index: int
    values: Annotated[list[list[Probability]], {"description": "row 0 is the top; the largest value is 1"}]
    box: Annotated[list[float], {"description": "left, top, right, bottom in upright original pixels"}]


class DoubtsResponse(TypedDict):
    """What the model does not know. Each is there only if the model gives it, and the first only if it abstains."""

    abstained: NotRequired[
        Annotated[
            Abstained,
            {"description": "why there is no label: the image is too strange, or the prediction too uncertain"},
        ]
    ]
    set: NotRequired[
        Annotated[list[str], {"description": "the labels that are not excluded, most probable first; may be empty"}]
    ]
    ood: NotRequired[Annotated[float, {"description": "larger for an image that is stranger for the model"}]]


class CommonResponse(DoubtsResponse):
    """What the predictions of every task have."""

    predictions: Annotated[list[LabelResponse], {"description": "the best classes, most probable first"}]
    image: ImageResponse
    model: ModelResponse
    timing_ms: TimingResponse
    heatmap: NotRequired[HeatmapResponse]


def label_response(label: Label) -> LabelResponse:
    """Build the JSON object of a class."""
    return {"label": label.label, "index": label.index, "probability": label.probability}


def doubts(prediction: Prediction) -> DoubtsResponse:
    """Build what a prediction says of what the model does not know."""
    found: DoubtsResponse = {}
    if prediction.abstained is not None:
        found["abstained"] = prediction.abstained
    if prediction.label_set is not None:
        found["set"] = list(prediction.label_set)
    if prediction.ood is not None:
        found["ood"] = prediction.ood
    return found

"""What the predictions of every task look like as JSON."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from service.prediction import Label

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


class CommonResponse(TypedDict):
    """What the predictions of every task have."""

    predictions: Annotated[list[LabelResponse], {"description": "the best classes, most probable first"}]
    image: ImageResponse
    model: ModelResponse
    timing_ms: TimingResponse
    heatmap: NotRequired[HeatmapResponse]


def label_response(label: Label) -> LabelResponse:
    """Build the JSON object of a class."""
    return {"label": label.label, "index": label.index, "probability": label.probability}

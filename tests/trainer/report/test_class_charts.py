"""Charts about the images of a run."""

from __future__ import annotations

from trainer.report.class_charts import draw_class_counts, draw_learning_curve


def test_the_classes_are_drawn_from_the_largest_to_the_smallest() -> None:
    chart = draw_class_counts({"few": (2, 1), "many": (40, 9), "some": (7, 3)})
    assert list(chart.lines[0].points) == [(0, 40), (1, 40), (1, 7), (2, 7), (2, 2), (3, 2)]
    assert [y for _, y in chart.lines[1].points] == [9, 9, 3, 3, 1, 1]
    assert chart.note == "Most: many (40). Fewest: few (2)."


def test_classes_of_one_size() -> None:
    assert draw_class_counts({"a": (6, 1), "b": (6, 2)}).note == "Each class has 6 training images."


def test_the_learning_curve_is_measured_and_then_predicted() -> None:
    points = [
        {"images": images, "accuracy": accuracy, "interval": (accuracy - 0.1, accuracy + 0.1), "is_predicted": last}
        for images, accuracy, last in ((25, 0.5, False), (50, 0.6, False), (100, 0.65, True))
    ]
    (chart,) = draw_learning_curve(points)
    predicted, measured = chart.lines
    assert list(measured.points) == [(25, 0.5), (50, 0.6)]
    assert list(predicted.points) == [(50, 0.6), (100, 0.65)]
    assert "goes from 50.0" in chart.description
    assert "With twice as many images, 65.0" in chart.description
    assert draw_learning_curve([]) == ()

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.bundle import Bundle, ModelSpec, read_bundle
from service.pixels import Limits, UndecodableImage, UnsupportedImage, load
from service.predictor import NoHeatmap, Predictor
from tests.service.bundle.helpers import edited, refusal, write
from tests.support.bundles import make_files, make_head, make_image, make_model

GREY = "#808080"
COLOURS = ("red", "lime", "blue", "#c04020", GREY, "yellow", "#102030")


@pytest.fixture
def bundle(bundle_path: Path) -> Bundle:
    return read_bundle(bundle_path)


def images() -> list[bytes]:
    sizes = ((60, 40), (40, 90), (33, 33))
    return [make_image(colour, size=size) for colour in COLOURS for size in sizes]


def with_thresholds(bundle: Bundle, *thresholds: float) -> Predictor:
    spec = dataclasses.replace(bundle.spec, models={"model.onnx": ModelSpec(thresholds=thresholds)})
    return Predictor(dataclasses.replace(bundle, spec=spec))


def with_model(bundle: Bundle, model: bytes | onnx.ModelProto) -> Bundle:
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return dataclasses.replace(bundle, models={"model.onnx": data})


def with_golden(bundle: Bundle, **changes: Any) -> Bundle:
    """Return the bundle with its second golden image changed."""
    first, second, third = bundle.golden
    return dataclasses.replace(bundle, golden=(first, dataclasses.replace(second, **changes), third))


def said_of(bundle: Bundle) -> str:
    return refusal(lambda: Predictor(bundle))


class TestPredict:
    def test_colours_are_told_apart(self, predictor: Predictor) -> None:
        found = {colour: predictor.predict(make_image(colour)).best.label for colour in ("red", "lime", "blue")}
        assert found == {"red": "red", "lime": "green", "blue": "blue"}

    def test_prediction_has_the_input_and_output_of_the_model(self, predictor: Predictor) -> None:
        data = make_image("red", size=(80, 60), encoding="JPEG", orientation=6)
        prediction = predictor.predict(data)
        expected = load(data, predictor.spec.pixels)
        np.testing.assert_array_equal(prediction.picture.pixels, expected.pixels)
        assert (prediction.picture.width, prediction.picture.height) == (60, 80)
        assert prediction.probabilities.shape == (3,)
        assert prediction.probabilities.dtype == np.float32
        np.testing.assert_array_equal(prediction.probabilities, predictor.probabilities(expected.pixels[None])[0])
        assert prediction.heatmap is None
        assert prediction.decode_ms > 0
        assert prediction.infer_ms > 0

    def test_predict_is_load_and_classify(self, predictor: Predictor) -> None:
        data = make_image("red")
        together, separate = predictor.predict(data), predictor.classify(predictor.load(data), decode_ms=7.0)
        np.testing.assert_array_equal(together.probabilities, separate.probabilities)
        assert separate.decode_ms == 7.0

    def test_run_options_stop_an_inference(self, predictor: Predictor) -> None:
        options = ort.RunOptions()
        options.terminate = True
        with pytest.raises(Exception, match="terminate"):  # onnxruntime's errors have no common base class
            predictor.classify(predictor.load(make_image("red")), run_options=options)

    def test_predictor_has_the_name_and_version_of_its_bundle(self, bundle: Bundle, predictor: Predictor) -> None:
        assert (predictor.name, predictor.version, predictor.digest) == ("colours", "1", bundle.digest)
        assert predictor.metrics == bundle.metrics_of("model.onnx") == {"accuracy": 0.975, "images": 40}
        assert predictor.warnings == ()

    @pytest.mark.parametrize("size", [1, 2, 7])
    def test_batch_size_does_not_matter(self, predictor: Predictor, size: int) -> None:
        batch = np.stack([load(data, predictor.spec.pixels).pixels for data in images()])
        together = predictor.probabilities(batch)
        pieces = [predictor.probabilities(batch[start : start + size]) for start in range(0, len(batch), size)]
        np.testing.assert_allclose(np.concatenate(pieces), together, atol=1e-6)
        np.testing.assert_allclose(predictor.features(batch[:size]), predictor.features(batch)[:size], atol=1e-6)

    def test_threads_may_share_it(self, predictor: Predictor) -> None:
        datas = 5 * images()
        serial = [predictor.predict(data, heatmap=True) for data in datas]
        with ThreadPoolExecutor(8) as pool:
            parallel = list(pool.map(lambda data: predictor.predict(data, heatmap=True), datas))
        for one, other in zip(serial, parallel, strict=True):
            np.testing.assert_array_equal(one.probabilities, other.probabilities)
            assert one.heatmap is not None
            assert other.heatmap is not None
            np.testing.assert_array_equal(one.heatmap.values, other.heatmap.values)
            assert one.ranked == other.ranked

    @pytest.mark.parametrize(
        ("data", "error"), [(b"hello", UnsupportedImage), (make_image("red")[:60], UndecodableImage)]
    )
    def test_bytes_that_are_not_an_image_raise_an_image_error(
        self, predictor: Predictor, data: bytes, error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            predictor.predict(data)

    def test_the_limits_are_those_of_the_bundle(self, bundle: Bundle) -> None:
        spec = dataclasses.replace(bundle.spec, limits=Limits(max_pixels=100))
        predictor = Predictor(dataclasses.replace(bundle, spec=spec))  # whose golden images are larger
        with pytest.raises(UndecodableImage, match="100 pixels"):
            predictor.predict(make_image("red"))

    def test_limits_can_be_overridden(self, bundle: Bundle) -> None:
        with pytest.raises(UndecodableImage, match="7 pixels"):
            Predictor(bundle, limits=Limits(max_pixels=7)).predict(make_image("red"))


class TestRanking:
    @pytest.mark.parametrize("colour", COLOURS)
    def test_most_probable_class_comes_first(self, predictor: Predictor, colour: str) -> None:
        prediction = predictor.predict(make_image(colour))
        assert prediction.best == prediction.ranked[0]
        assert sorted(label.index for label in prediction.ranked) == [0, 1, 2]
        values = [label.probability for label in prediction.ranked]
        assert values == sorted(values, reverse=True)
        for label in prediction.ranked:
            assert label.label == predictor.spec.classes[label.index]
            assert label.probability == float(prediction.probabilities[label.index])

    def test_equal_probabilities_are_in_class_order(self, predictor: Predictor) -> None:
        ranked = predictor.predict(make_image(GREY)).ranked
        assert len({label.probability for label in ranked}) == 1
        assert [label.index for label in ranked] == [0, 1, 2]

    def test_equal_probabilities_below_the_best_are_in_class_order(self, predictor: Predictor) -> None:
        assert [label.index for label in predictor.predict(make_image("blue")).ranked] == [2, 0, 1]

    def test_multilabel_gives_every_label_at_or_over_its_threshold(self, multilabel_path: Path) -> None:
        bundle = read_bundle(multilabel_path)
        data = make_image("#ff80ff")
        ranked = with_thresholds(bundle, 0, 0, 0).predict(data).ranked
        red, green, blue = sorted(ranked, key=lambda label: label.index)
        assert green.probability < red.probability
        at, over = (red.probability, 1.0, blue.probability), (1.0, 1.0, float(np.nextafter(blue.probability, 1)))
        assert {label.label for label in with_thresholds(bundle, *at).predict(data).labels} == {"red", "blue"}
        assert with_thresholds(bundle, *over).predict(data).labels == ()
        assert with_thresholds(bundle, 0, 0, 0).predict(data).labels == ranked


class TestHeatmap:
    def test_is_the_class_activation_map_of_the_best_class(self, bundle: Bundle, predictor: Predictor) -> None:
        data = make_image("blue", size=(90, 60))
        prediction = predictor.predict(data, heatmap=True)
        features = predictor.features(prediction.picture.pixels[None])[0]
        assert bundle.head is not None
        expected = sum(weight * plane for weight, plane in zip(bundle.head[2], features, strict=True))
        expected = expected.clip(min=0) / expected.max()  # what speaks against the class is 0
        assert prediction.heatmap is not None
        assert prediction.heatmap.index == 2
        np.testing.assert_allclose(prediction.heatmap.values, expected, atol=1e-6)
        assert prediction.heatmap.values.max() == 1

    def test_is_where_the_image_is_bright(self, predictor: Predictor) -> None:
        values = predictor.predict(make_image("blue", size=(60, 60), shade=0), heatmap=True).heatmap.values  # type: ignore[union-attr]
        assert values.shape == (8, 8)
        assert values[:, :3].max() < 0.1  # the left half of these images is darker
        assert values[:, 5:].min() > 0.9

    def test_box_is_that_of_the_picture(self, predictor: Predictor) -> None:
        prediction = predictor.predict(make_image("blue", size=(90, 60)), heatmap=True)
        assert prediction.heatmap is not None
        assert prediction.heatmap.box == prediction.picture.box == pytest.approx((55 / 3, 10 / 3, 215 / 3, 170 / 3))

    def test_of_an_even_image_is_zero(self, predictor: Predictor) -> None:
        heatmap = predictor.predict(make_image("black"), heatmap=True).heatmap
        assert heatmap is not None
        assert not heatmap.values.any()

    def test_does_not_change_the_probabilities(self, predictor: Predictor) -> None:
        data = make_image("#c04020")
        with_it, without = predictor.predict(data, heatmap=True), predictor.predict(data)
        np.testing.assert_array_equal(with_it.probabilities, without.probabilities)

    def test_needs_features(self, plain_path: Path) -> None:
        predictor = Predictor(read_bundle(plain_path))
        assert not predictor.has_heatmaps
        with pytest.raises(NoHeatmap):
            predictor.predict(make_image("red"), heatmap=True)
        with pytest.raises(NoHeatmap):
            predictor.features(np.zeros((1, 32, 32, 3), dtype=np.uint8))
        predictor.predict(make_image("red"))


class TestModelFile:
    def test_may_be_the_int8_model(self, bundle: Bundle) -> None:
        assert Predictor(bundle, model_file="model.int8.onnx").predict(make_image("red")).best.label == "red"

    def test_that_is_missing(self, bundle: Bundle) -> None:
        assert refusal(lambda: Predictor(bundle, model_file="model.fp16.onnx")) == "the bundle has no model.fp16.onnx"

    def test_int8_model_has_golden_probabilities_of_its_own(self, bundle: Bundle) -> None:
        wrong = {**bundle.golden[1].probabilities, "model.int8.onnx": np.float32([1, 0, 0])}
        changed = with_golden(bundle, probabilities=wrong)
        Predictor(changed)
        assert "model.int8.onnx" in refusal(lambda: Predictor(changed, model_file="model.int8.onnx"))


def renamed_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = model.graph.node[0].input[0] = "picture"


def second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.UINT8, ["N"]))


def float_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def input_shape(*shape: int | str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.UINT8, shape))
        del model.graph.output[0].type.tensor_type.shape.dim[:]
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["M", 3]))
        model.graph.output[1].CopyFrom(helper.make_tensor_value_info("features", TensorProto.FLOAT, ["M", 3, "h", "w"]))

    return change


def renamed_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = model.graph.node[-1].output[0] = "scores"


def half_output(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "whole"
    model.graph.node.append(helper.make_node("Cast", ["whole"], ["probabilities"], to=TensorProto.FLOAT16))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def computed_class_count(model: onnx.ModelProto, kept: tuple[bool, ...]) -> None:
    """Make the number of probabilities known only when the model runs."""
    model.graph.node[-1].output[0] = "all"
    model.graph.node.append(helper.make_node("Compress", ["all", "kept"], ["probabilities"], axis=1))
    model.graph.initializer.append(numpy_helper.from_array(np.array(kept), "kept"))


def unknown_class_count(model: onnx.ModelProto) -> None:
    computed_class_count(model, (True, True, True))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "K"


def no_features(model: onnx.ModelProto) -> None:
    del model.graph.output[1]


def flat_features(model: onnx.ModelProto) -> None:
    model.graph.output[1].CopyFrom(helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 3]))
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    convolution.output[0] = "maps"
    next(node for node in model.graph.node if node.op_type == "GlobalAveragePool").input[0] = "maps"
    next(node for node in model.graph.node if node.op_type == "Flatten").output[0] = "features"
    next(node for node in model.graph.node if node.op_type == "Gemm").input[0] = "features"


def batch_of_two_only(model: onnx.ModelProto) -> None:
    """Dynamic by its signature but not inside, like the result of an exporter that traced a batch of two."""
    flatten = next(node for node in model.graph.node if node.op_type == "Flatten")
    flatten.CopyFrom(helper.make_node("Reshape", ["pooled", "frozen"], ["flat"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 3]), "frozen"))


def constants(model: onnx.ModelProto, **values: Any) -> None:
    for tensor in model.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(values[tensor.name], dtype=np.float32), tensor.name))


class TestSignature:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (renamed_input, "the input of model.onnx is not uint8 [N, 32, 32, 3] named 'image'"),
            (second_input, "the input of model.onnx is not"),
            (float_input, "the input of model.onnx is not"),
            (input_shape("N", 36, 36, 3), "the input of model.onnx is not"),
            (input_shape("N", "H", "W", 3), "the input of model.onnx is not"),
            (input_shape(2, 32, 32, 3), "the batch size of model.onnx is fixed to 2"),
            (input_shape(1, 32, 32, 3), "the batch size of model.onnx is fixed to 1"),
            (renamed_output, "model.onnx has no output float32 [N, K] named 'probabilities'"),
            (half_output, "model.onnx has no output float32 [N, K]"),
            (unknown_class_count, "model.onnx gives K probabilities, spec.json names 3 classes"),
            (no_features, "model.onnx and head.npy do not belong together"),
            (flat_features, "the features of model.onnx are not float32 [N, 3, h, w]"),
        ],
        ids=lambda value: getattr(value, "__name__", ""),
    )
    def test_other_signatures_are_refused(
        self, bundle: Bundle, change: Callable[[onnx.ModelProto], None], said: str
    ) -> None:
        model = onnx.load_from_string(bundle.models["model.onnx"])
        change(model)
        assert said_of(with_model(bundle, model)).startswith(said)

    def test_features_without_a_head(self, bundle: Bundle) -> None:
        assert "do not belong together" in said_of(dataclasses.replace(bundle, head=None))

    def test_head_of_other_channels(self, bundle: Bundle) -> None:
        head = np.ones((3, 5), dtype=np.float32)
        assert "the features of model.onnx are not float32 [N, 5, h, w]" in said_of(
            dataclasses.replace(bundle, head=head)
        )

    def test_other_classes_than_the_model(self, bundle: Bundle) -> None:
        model = make_model(make_head(4))
        assert said_of(with_model(bundle, model)) == "model.onnx gives 4 probabilities, spec.json names 3 classes"

    def test_a_model_that_onnxruntime_does_not_accept(self, bundle: Bundle) -> None:
        model = onnx.load_from_string(bundle.models["model.onnx"])
        model.graph.node[0].op_type = "NoSuchOperator"
        assert said_of(with_model(bundle, model)).startswith("onnxruntime does not accept model.onnx: ")

    @pytest.mark.parametrize("place", [".", "weights"])
    def test_weights_in_the_working_directory_are_not_read(
        self, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        # read_bundle refuses such a model; should one ever get past it, onnxruntime must not find its weights.
        model = onnx.load_from_string(bundle.models["model.onnx"])
        (tmp_path / place).mkdir(exist_ok=True)
        onnx.save_model(
            model, tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0, location=f"{place}/weights.bin"
        )
        monkeypatch.chdir(tmp_path)
        data = (tmp_path / "m.onnx").read_bytes()
        assert said_of(with_model(bundle, data)).startswith("onnxruntime does not accept model.onnx: ")


class TestGolden:
    @pytest.mark.parametrize("off", [2e-4, -2e-4, 0.5])
    def test_probabilities_out_of_tolerance_are_refused(self, bundle: Bundle, off: float) -> None:
        right = bundle.golden[1].probabilities["model.onnx"]
        line = said_of(with_golden(bundle, probabilities={"model.onnx": right + np.float32([0, off, 0])}))
        assert line.startswith("golden/1.png: model.onnx is ")
        assert "(tolerance 0.0001)" in line

    def test_probabilities_within_tolerance_are_fine(self, bundle: Bundle) -> None:
        right = bundle.golden[1].probabilities["model.onnx"]
        assert Predictor(with_golden(bundle, probabilities={"model.onnx": right + np.float32(5e-5)})).warnings == ()

    def test_another_image_with_matching_hashes_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "b", {"golden/1.png": make_image("red")})
        assert said_of(read_bundle(path)).startswith("golden/1.png: model.onnx is ")

    def test_other_weights_with_matching_hashes_are_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "b", {"model.onnx": make_model(-make_head(3))})
        assert said_of(read_bundle(path)).startswith("golden/0.jpeg: model.onnx is ")

    def test_other_pixels_alone_are_a_warning(self, tmp_path: Path) -> None:
        changed = edited("golden/golden.json", lambda value: value["images"][1].update(pixels_sha256="0" * 64))
        predictor = Predictor(read_bundle(write(tmp_path / "b", changed)))
        (warning,) = predictor.warnings
        assert "golden/1.png decodes to other pixels" in warning

    def test_hash_is_of_the_bytes_of_the_array(self, bundle: Bundle) -> None:
        for image in bundle.golden:
            array = load(image.data, bundle.spec.pixels).pixels
            assert image.pixels_sha256 == hashlib.sha256(array.tobytes()).hexdigest()

    @pytest.mark.parametrize("data", [b"", b"no image", make_image("green")[:50]])
    def test_image_that_cannot_be_decoded_is_refused(self, bundle: Bundle, data: bytes) -> None:
        assert said_of(with_golden(bundle, data=data)).startswith("golden/1.png cannot be decoded: ")

    @pytest.mark.parametrize("constant", ["scale", "head", "filter"])
    def test_model_that_gives_nan_is_refused(self, bundle: Bundle, constant: str) -> None:
        model = onnx.load_from_string(bundle.models["model.onnx"])
        values = {t.name: np.full_like(numpy_helper.to_array(t), np.nan) for t in model.graph.initializer}
        constants(model, **{constant: values[constant]})
        assert "golden/0.jpeg: model.onnx " in said_of(with_model(bundle, model))

    def test_expected_nan_is_refused(self, bundle: Bundle) -> None:
        assert "nan off" in said_of(with_golden(bundle, probabilities={"model.onnx": np.full(3, np.nan, np.float32)}))

    def test_model_that_fails_on_one_image_is_refused(self, bundle: Bundle) -> None:
        model = onnx.load_from_string(bundle.models["model.onnx"])
        batch_of_two_only(model)
        assert said_of(with_model(bundle, model)).startswith("golden/0.jpeg: model.onnx fails: ")

    def test_model_with_another_number_of_classes_than_declared_is_refused(self, bundle: Bundle) -> None:
        model = onnx.load_from_string(bundle.models["model.onnx"])
        computed_class_count(model, (True, False, False))
        assert said_of(with_model(bundle, model)).startswith("golden/0.jpeg: model.onnx is inf off")

    def test_heatmap_that_is_not_finite_is_refused(self, bundle: Bundle) -> None:
        changed = with_golden(
            dataclasses.replace(bundle, head=np.full((3, 3), np.float32(3e38))), data=make_image("white")
        )
        assert said_of(changed).startswith("golden/1.png: model.onnx fails: ")


@pytest.mark.parametrize("task", ["classification", "multilabel"])
@pytest.mark.parametrize("count", [3, 9])
def test_any_number_of_classes(tmp_path: Path, task: Any, count: int) -> None:
    files: Mapping[str, bytes] = make_files(task=task, classes=[f"class {number}" for number in range(count)])
    predictor = Predictor(read_bundle(write(tmp_path / "b", {**files, "model.int8.onnx": None})))
    prediction = predictor.predict(make_image("lime"), heatmap=True)
    assert len(prediction.ranked) == count
    total = float(prediction.probabilities.sum())
    assert (total == pytest.approx(1)) == (task == "classification")


@pytest.mark.parametrize("keep_memory", [True, False])
def test_a_blank_image_changes_nothing(bundle_path: Path, plain_path: Path, *, keep_memory: bool) -> None:
    """With heatmaps and without."""
    for path in (bundle_path, plain_path):
        predictor = Predictor(read_bundle(path))
        before = predictor.predict(make_image("green")).probabilities
        predictor.classify_blank(keep_memory=keep_memory)
        assert np.array_equal(predictor.predict(make_image("green")).probabilities, before)

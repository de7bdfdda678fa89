"""Kubernetes files: read strictly, put together as kustomize does, compared with the published schemas."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from kubeflow_trainer_api.models.trainer_v1alpha1_train_job import TrainerV1alpha1TrainJob

from tests.deploy.checks import UniqueKeyLoader

# The oldest version with every field that the files use (image volumes), and the newest that the validator knows.
VERSIONS = ("1.31", "1.37")

# Custom resources, whose schemas no registry has: what the files use of them, and the type of each value. Another key
# is a mistake here, until it is added after a look into the documentation of its project.
_SHAPES: dict[str, Any] = {
    "ServiceMonitor monitoring.coreos.com/v1": {
        "selector": {"matchLabels": dict},
        "endpoints": [{"port": str, "path": str, "interval": str}],
    },
    "HTTPRoute gateway.networking.k8s.io/v1": {
        "parentRefs": [{"name": str, "namespace": str}],
        "hostnames": [str],
        "rules": [
            {
                "matches": [{"path": {"type": str, "value": str}}],
                "backendRefs": [{"name": str, "port": int}],
            }
        ],
    },
}
# Fields of a KServe predictor that are not those of a pod.
_KSERVE_SHAPE = {
    "annotations": dict,
    "minReplicas": int,
    "maxReplicas": int,
    "scaleMetric": str,
    "scaleTarget": int,
    "storageUris": [{"uri": str, "mountPath": str}],
    "deploymentStrategy": {"type": str, "rollingUpdate": {"maxUnavailable": int, "maxSurge": int}},
}

Object = dict[str, Any]


class Invalid(Exception):
    """A file cannot be used. The message is one line."""


def read_text(text: str) -> list[Any]:
    """The documents of a YAML text."""
    try:
        return [document for document in yaml.load_all(text, UniqueKeyLoader) if document is not None]
    except yaml.YAMLError as error:
        raise Invalid(" ".join(str(error).split())) from error


def read(file: Path) -> list[Any]:
    """The documents of a file."""
    if not file.is_file():
        raise Invalid(f"{file.name} does not exist")
    return read_text(file.read_text(encoding="utf-8"))


def name_of(document: Object) -> str:
    """Kind and name."""
    return f"{document['kind']} {document['metadata']['name']}"


def build(folder: Path, *, options: Iterable[str] = ()) -> list[Object]:
    """What `kubectl kustomize` makes of a folder, with further components: resources, then patches."""
    return _build(folder, "Kustomization", [], options)


def _build(folder: Path, kind: str, objects: list[Object], options: Iterable[str] = ()) -> list[Object]:
    (content,) = read(folder / "kustomization.yaml")
    if unknown := content.keys() - {"apiVersion", "kind", "resources", "components", "patches"}:
        raise Invalid(f"{folder.name}/kustomization.yaml: unknown key {unknown.pop()}")
    version = "v1beta1" if kind == "Kustomization" else "v1alpha1"
    if (content["kind"], content["apiVersion"]) != (kind, f"kustomize.config.k8s.io/{version}"):
        raise Invalid(f"{folder.name}/kustomization.yaml: not a {kind} of {version}")
    objects = [*objects, *(document for name in content.get("resources", []) for document in read(folder / name))]
    for component in (*content.get("components", []), *options):
        objects = _build(folder / component, "Component", objects)
    for patch in content.get("patches", []):
        objects = _patched(objects, patch)
    return objects


def _patched(objects: list[Object], patch: Object) -> list[Object]:
    (change,) = read_text(patch["patch"])
    target = patch.get("target") or {"kind": change["kind"], **change["metadata"]}
    chosen = [item for item in objects if name_of(item) == f"{target['kind']} {target['name']}"]
    if len(chosen) != 1:
        raise Invalid(f"a patch is for {target['kind']} {target['name']}, which does not exist")
    if isinstance(change, dict):
        if change.keys() != {"$patch", "apiVersion", "kind", "metadata"} or change["$patch"] != "delete":
            raise Invalid("a patch that is neither a list of operations nor `$patch: delete`")
        return [item for item in objects if item is not chosen[0]]
    for operation in change:
        _add(chosen[0], operation)
    return objects


def _add(document: Object, operation: Object) -> None:
    *parents, last = operation["path"].strip("/").split("/")
    place: Any = document
    try:
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place[key]
    except (KeyError, IndexError) as error:
        raise Invalid(f"a patch is for {operation['path']}, which does not exist") from error
    if operation["op"] != "add" or last in place:
        raise Invalid(f"a patch does not add {operation['path']}, but changes it")
    place[last] = operation["value"]


def schema_problems(document: Object) -> list[str]:
    """What the schema of its kind has against a document. An unknown kind and an unknown field are problems, too."""
    return list(_schema_problems(json.dumps(document)))


@functools.cache  # most files of a test are those of the test before
def _schema_problems(text: str) -> tuple[str, ...]:
    document = json.loads(text)
    match document.get("kind"):
        case "TrainJob":
            return tuple(_kubeflow_problems(document))
        case "InferenceService":
            return tuple(_kserve_problems(document))
    shape = _SHAPES.get(f"{document.get('kind')} {document.get('apiVersion')}")
    if shape is not None:
        return tuple(_metadata_problems(document) + _shape_problems(document["spec"], shape, "spec"))
    return tuple(_kubernetes_problems(document))


def _kubernetes_problems(document: Object) -> list[str]:
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError as error:
            return [f"no schema for {error.kind} {error.api_version} in Kubernetes {version}"]
        except kubernetes_validate.ValidationError as error:
            return [f"{'/'.join(map(str, error.path))}: {error.message[:200]} (Kubernetes {version})"]
    return []


def _metadata_problems(document: Object) -> list[str]:
    """The head of a custom resource is that of any other object."""
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": document["metadata"]}
    return [
        *(f"unknown key {key}" for key in document.keys() - {"apiVersion", "kind", "metadata", "spec"}),
        *_kubernetes_problems(config_map),
    ]


def _shape_problems(value: Any, shape: Any, where: str) -> list[str]:
    if isinstance(shape, type):
        return [] if isinstance(value, shape) else [f"{where}: {value!r} is not of type {shape.__name__}"]
    if not isinstance(value, type(shape)):
        return [f"{where}: not a {type(shape).__name__}"]
    if isinstance(shape, list):
        return [line for item in value for line in _shape_problems(item, shape[0], where)]
    unknown = [f"{where}: unknown key {key}" for key in value.keys() - shape.keys()]
    known = [key for key in value if key in shape]
    return unknown + [line for key in known for line in _shape_problems(value[key], shape[key], f"{where}/{key}")]


def _kserve_problems(document: Object) -> list[str]:
    if document["apiVersion"] != "serving.kserve.io/v1beta1":
        return [f"no schema for InferenceService {document['apiVersion']}"]
    spec = document["spec"]
    own = {key: value for key, value in spec["predictor"].items() if key in _KSERVE_SHAPE}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": predictor_pod(document)}
    return [
        *_metadata_problems(document),
        *(f"spec: unknown key {key}" for key in spec.keys() - {"predictor"}),
        *_shape_problems(own, _KSERVE_SHAPE, "spec/predictor"),
        *_kubernetes_problems(pod),
    ]


def predictor_pod(service: Object) -> Object:
    """The pod of an InferenceService."""
    return {key: value for key, value in service["spec"]["predictor"].items() if key not in _KSERVE_SHAPE}


def _kubeflow_problems(document: Object) -> list[str]:
    """The models pass over unknown fields. So what they understood is compared with what was written."""
    if document["apiVersion"] != "trainer.kubeflow.org/v1alpha1":
        return [f"no schema for TrainJob {document['apiVersion']}"]
    try:
        model = TrainerV1alpha1TrainJob.from_dict(document)
    except ValueError as error:
        return [" ".join(str(error).split())]
    assert model is not None
    return _difference(document, json.loads(json.dumps(model.to_dict())), "")


def _difference(written: Any, understood: Any, where: str) -> list[str]:
    if isinstance(written, dict) and isinstance(understood, dict):
        unknown = [f"{where}: unknown key {key}" for key in written.keys() - understood.keys()]
        both = [key for key in written if key in understood]
        return unknown + [line for key in both for line in _difference(written[key], understood[key], f"{where}/{key}")]
    if isinstance(written, list) and isinstance(understood, list) and len(written) == len(understood):
        pairs = enumerate(zip(written, understood, strict=True))
        return [line for number, (one, other) in pairs for line in _difference(one, other, f"{where}/{number}")]
    return [] if written == understood else [f"{where}: {written!r} is understood as {understood!r}"]

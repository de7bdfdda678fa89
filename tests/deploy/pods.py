"""What schemas do not see of a pod: its rights, volumes, variables, and whether it fits the service."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.settings import Settings, all_settings
from tests.deploy.manifests import Object, name_of, predictor_pod
from tests.support.routes import ROUTES

PORT = 8000
USER = 65532
SERVICE_IMAGE = "registry.example.org/bears:1"
IMAGES = {SERVICE_IMAGE, "registry.example.org/bears-trainer:1", "registry.example.org/bears-bundle:1"}
_OTHER_VARIABLES = {"FIELDGUIDE_CACHE", "HOME", "TMPDIR", "PROTOCOL"}
_SETTINGS = {setting.variable: setting for setting in all_settings()}
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|Ki|Mi|Gi)?")
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@dataclass(frozen=True)
class Workload:
    """A pod, wherever it was written.

    Attributes:
        name: Kind and name of its object.
        labels: Of the pod.
        pod: Its specification.
    """

    name: str
    labels: dict[str, str]
    pod: Object

    @property
    def container(self) -> Object:
        (container,) = self.pod["containers"]
        return dict(container)

    @property
    def ports(self) -> set[str | int]:
        """Names and numbers."""
        return {value for port in self.container.get("ports", []) for value in (port["name"], port["containerPort"])}


def _template(item: Object) -> Workload:
    template = item["spec"]["template"]
    return Workload(name_of(item), template["metadata"]["labels"], template["spec"])


def _train_job(item: Object) -> Workload:
    """The pod of a TrainJob: one part is in `trainer`, the other in the patch of its runtime."""
    (patch,) = item["spec"]["runtimePatches"]
    (job,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod = job["template"]["spec"]["template"]["spec"]
    trainer = item["spec"]["trainer"]
    own = {"image": trainer["image"], "env": trainer["env"], "resources": trainer["resourcesPerNode"]}
    containers = [{**container, **own} for container in pod["containers"]]
    # The API has no fields for these two.
    fixed = {"automountServiceAccountToken": False, "enableServiceLinks": False}
    return Workload(name_of(item), {}, {**pod, **fixed, "containers": containers})


_PODS: dict[str, Callable[[Object], Workload]] = {
    "Deployment": _template,
    "Job": _template,
    "Pod": lambda item: Workload(name_of(item), {}, item["spec"]),
    "InferenceService": lambda item: Workload(name_of(item), {}, predictor_pod(item)),
    "TrainJob": _train_job,
}


def workloads_of(objects: list[Object]) -> list[Workload]:
    """Every pod that is described by the objects."""
    return [_PODS[item["kind"]](item) for item in objects if item["kind"] in _PODS]


def pod_problems(workload: Workload, objects: list[Object]) -> list[str]:
    """Every mistake in a pod."""
    checks = (_restriction_problems, _container_problems, _service_problems)
    return [*(line for check in checks for line in check(workload)), *_volume_problems(workload, objects)]


def _restriction_problems(workload: Workload) -> Iterator[str]:
    """The Pod Security Standard "restricted", and what the service needs not."""
    pod, security = workload.pod, workload.pod.get("securityContext", {})
    if not security.get("runAsNonRoot") or security.get("runAsUser") != USER or security.get("runAsGroup") != USER:
        yield f"does not run as user {USER}"
    if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "has no seccomp profile"
    if pod.get("automountServiceAccountToken") is not False:
        yield "gets a token of the API"
    if pod.get("enableServiceLinks") is not False:
        yield "gets variables of services"
    own = workload.container.get("securityContext", {})
    expected = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    if own != expected:
        yield "its container is not restricted"


def _container_problems(workload: Workload) -> Iterator[str]:
    container = workload.container
    if container["image"] not in IMAGES:
        yield f"unknown image {container['image']}"
    resources = container["resources"]
    requests, limits = resources["requests"], resources["limits"]
    yield from quantity_problems(requests)
    yield from quantity_problems(limits)
    if "cpu" not in requests:
        yield "requests no cores"
    if requests.get("memory") != limits.get("memory"):
        yield "the request and the limit of memory differ"
    for variable in container.get("env", []):
        yield from _variable_problems(variable)


def quantity_problems(resources: Object) -> Iterator[str]:
    """Such as 1GB, for which a schema has no pattern."""
    for quantity in resources.values():
        if not _QUANTITY.fullmatch(str(quantity)):
            yield f"{quantity} is not a quantity"


def _variable_problems(variable: Object) -> Iterator[str]:
    name = variable["name"]
    if name not in _SETTINGS and name not in _OTHER_VARIABLES:
        yield f"unknown variable {name}"
    if name in _SETTINGS and "value" in variable:
        try:
            _SETTINGS[name].parse(variable["value"])
        except ValueError as error:
            yield f"{name} {error}"
    if name == "PROTOCOL" and variable["value"] != "v2":
        yield "the protocol of the service is v2"
    field = variable.get("valueFrom", {}).get("resourceFieldRef")
    if field is not None and (field["resource"], field["divisor"]) != ("requests.cpu", "1"):
        yield f"{name} is not the number of requested cores"


def _volume_problems(workload: Workload, objects: list[Object]) -> Iterator[str]:
    volumes = {volume["name"]: volume for volume in workload.pod.get("volumes", [])}
    mounts = {mount["name"]: mount for mount in workload.container.get("volumeMounts", [])}
    for name in volumes.keys() ^ mounts.keys():
        yield f"volume {name} is not both defined and mounted"
    claims = {item["metadata"]["name"] for item in objects if item["kind"] == "PersistentVolumeClaim"}
    for name, volume in volumes.items():
        claim = volume.get("persistentVolumeClaim")
        if claim is not None and claim["claimName"] not in claims:
            yield f"no claim {claim['claimName']}"
        if claim is not None and claim.get("readOnly", False) != mounts.get(name, {}).get("readOnly", False):
            yield f"volume {name} is read-only in one place alone"
        if "image" in volume and volume["image"]["reference"] not in IMAGES:
            yield f"unknown image {volume['image']['reference']}"
    if workload.container["image"] == SERVICE_IMAGE and "command" not in workload.container:
        for mount in mounts.values():
            if mount["mountPath"] != "/bundle" or not mount.get("readOnly"):
                yield f"{mount['mountPath']} is not where the service looks, or not read-only"


def _service_problems(workload: Workload) -> Iterator[str]:
    """What holds for the service alone: its probes, its end, its cores."""
    container, pod = workload.container, workload.pod
    if container["image"] != SERVICE_IMAGE or "command" in container:
        return
    if [port["containerPort"] for port in container["ports"]] != [PORT]:
        yield f"the service listens on port {PORT}"
    for name in _PROBES:
        probe = container.get(name, {}).get("httpGet")
        if probe is None:
            yield f"no {name}"
        elif probe["path"] not in ROUTES:
            yield f"{name}: no route {probe['path']}"
        elif probe["port"] not in workload.ports:
            yield f"{name}: no port {probe['port']}"
    values = {variable["name"]: variable.get("value") for variable in container.get("env", [])}
    settings = Settings.resolve({}, {name: value for name, value in values.items() if value is not None})
    sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if not sleep:
        yield "stops while load balancers still send requests"
    if pod.get("terminationGracePeriodSeconds", 30) <= sleep + settings.grace_s + settings.drain_s:
        yield "is killed before it has finished its requests"
    if "FIELDGUIDE_THREADS" not in values and "cpu" not in container["resources"]["limits"]:
        yield "counts the cores of the node"

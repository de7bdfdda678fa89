"""What schemas do not see: whether Kubernetes files agree with each other, and with the service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from service.settings import Settings
from tests.deploy.manifests import Object, name_of, schema_problems
from tests.deploy.pods import PORT, Workload, pod_problems, quantity_problems, workloads_of
from tests.support.routes import ROUTES

_BODY_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}


def problems(objects: list[Object]) -> list[str]:
    """Every mistake in objects that are applied together."""
    found = [f"{name_of(item)}: {line}" for item in objects for line in schema_problems(item)]
    if found:
        return found  # what follows relies on it
    twice = [f"{name} is there twice" for name, number in Counter(map(name_of, objects)).items() if number > 1]
    workloads = workloads_of(objects)
    for workload in workloads:
        found += [f"{workload.name}: {line}" for line in pod_problems(workload, objects)]
    for item in objects:
        check_references = _REFERENCES.get(item["kind"])
        if check_references is not None:
            found += [f"{name_of(item)}: {line}" for line in check_references(item, objects, workloads)]
    return twice + found


def _reference_to_pods(labels: dict[str, str], workloads: list[Workload]) -> Iterator[str]:
    if not labels or not any(labels.items() <= workload.labels.items() for workload in workloads):
        yield f"no pod has the labels {labels}"


def _deployment(item: Object, objects: list[Object], workloads: list[Workload]) -> Iterator[str]:
    own = [workload for workload in workloads if workload.name == name_of(item)]
    spec = item["spec"]
    yield from _reference_to_pods(spec["selector"]["matchLabels"], own)
    for constraint in own[0].pod.get("topologySpreadConstraints", []):
        yield from _reference_to_pods(constraint["labelSelector"]["matchLabels"], own)
        if constraint["topologyKey"] not in ("kubernetes.io/hostname", "topology.kubernetes.io/zone"):
            yield f"unknown topology {constraint['topologyKey']}"
    if spec["strategy"]["rollingUpdate"]["maxUnavailable"] != 0:
        yield "loses requests while it is updated"
    if "replicas" in spec and any(other["kind"] == "HorizontalPodAutoscaler" for other in objects):
        yield "sets the number of replicas, as the autoscaler does"


def _job(item: Object, _objects: list[Object], workloads: list[Workload]) -> Iterator[str]:
    (own,) = [workload for workload in workloads if workload.name == name_of(item)]
    if own.pod.get("restartPolicy") != "Never":
        yield "podFailurePolicy needs restartPolicy Never"
    exit_codes = [rule["onExitCodes"] for rule in item["spec"]["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    if [code["values"] for code in exit_codes] != [[2]]:
        yield "wrong use is tried again"
    if any(code["containerName"] != own.container["name"] for code in exit_codes):
        yield "podFailurePolicy names another container"


def _service(item: Object, _objects: list[Object], workloads: list[Workload]) -> Iterator[str]:
    yield from _reference_to_pods(item["spec"]["selector"], workloads)
    for port in item["spec"]["ports"]:
        if not any(port["targetPort"] in workload.ports for workload in workloads):
            yield f"no pod has a port {port['targetPort']}"


def _autoscaler(item: Object, objects: list[Object], _workloads: list[Workload]) -> Iterator[str]:
    target = item["spec"]["scaleTargetRef"]
    targets = [(other["apiVersion"], other["kind"], other["metadata"]["name"]) for other in objects]
    if (target["apiVersion"], target["kind"], target["name"]) not in targets:
        yield f"no {target['kind']} {target['name']}"
    if not 2 <= item["spec"]["minReplicas"] <= item["spec"]["maxReplicas"]:
        yield "fewer than two replicas, or no range"
    for metric in item["spec"]["metrics"]:
        if metric["resource"]["name"] != "cpu":
            yield f"scales by {metric['resource']['name']}"


def _selector(item: Object, _objects: list[Object], workloads: list[Workload]) -> Iterator[str]:
    yield from _reference_to_pods(item["spec"]["selector"]["matchLabels"], workloads)


def _policy(item: Object, _objects: list[Object], workloads: list[Workload]) -> Iterator[str]:
    spec = item["spec"]
    yield from _reference_to_pods(spec["podSelector"]["matchLabels"], workloads)
    if spec["policyTypes"] != ["Ingress", "Egress"] or spec["egress"] != []:
        yield "lets something out"
    for port in (port for rule in spec["ingress"] for port in rule["ports"]):
        if not any(port["port"] in workload.ports for workload in workloads):
            yield f"no pod has a port {port['port']}"


def _ingress(item: Object, objects: list[Object], _workloads: list[Workload]) -> Iterator[str]:
    spec = item["spec"]
    rules = spec["rules"]
    if {rule["host"] for rule in rules} != {host for tls in spec["tls"] for host in tls["hosts"]}:
        yield "the hosts of the certificate are not those of the rules"
    for path in (path for rule in rules for path in rule["http"]["paths"]):
        backend = path["backend"]["service"]
        yield from _reference_to_service(backend["name"], backend["port"]["name"], objects)
    for name, value in item["metadata"]["annotations"].items():
        if name.endswith("body-size"):
            number, unit = int(value[:-1]), _BODY_UNITS[value[-1]]
            if number * unit != Settings().max_body_bytes:
                yield f"{name} is not the limit of the service"


def _route(item: Object, objects: list[Object], _workloads: list[Workload]) -> Iterator[str]:
    for backend in (backend for rule in item["spec"]["rules"] for backend in rule["backendRefs"]):
        yield from _reference_to_service(backend["name"], backend["port"], objects)
    if any(other["kind"] == "Ingress" for other in objects):
        yield "the Ingress is still there"


def _reference_to_service(name: str, port: Any, objects: list[Object]) -> Iterator[str]:
    """A port is named by its name or its number."""
    services = [item for item in objects if item["kind"] == "Service" and item["metadata"]["name"] == name]
    if not any(port in (own["name"], own["port"]) for service in services for own in service["spec"]["ports"]):
        yield f"no Service {name} with port {port}"


def _claim(item: Object, _objects: list[Object], _workloads: list[Workload]) -> Iterator[str]:
    yield from quantity_problems(item["spec"]["resources"]["requests"])


def _monitor(item: Object, objects: list[Object], _workloads: list[Workload]) -> Iterator[str]:
    labels = item["spec"]["selector"]["matchLabels"].items()
    services = [
        other for other in objects if other["kind"] == "Service" and labels <= other["metadata"]["labels"].items()
    ]
    if not services:
        yield "no Service has its labels"
    for endpoint in item["spec"]["endpoints"]:
        if not all(endpoint["port"] in [port["name"] for port in own["spec"]["ports"]] for own in services):
            yield f"no port {endpoint['port']}"
        if endpoint["path"] not in ROUTES:
            yield f"no route {endpoint['path']}"


def _inference_service(item: Object, _objects: list[Object], workloads: list[Workload]) -> Iterator[str]:
    predictor, (workload,) = item["spec"]["predictor"], workloads
    if item["metadata"]["annotations"] != {"serving.kserve.io/deploymentMode": "Standard"}:
        yield "not in Standard mode"
    if workload.container["name"] != "kserve-container":
        yield "KServe calls the container kserve-container"
    if any(place["mountPath"] != "/mnt/models" for place in predictor.get("storageUris", [])):
        yield "the service looks in /mnt/models"
    annotations = predictor["annotations"]
    if annotations["prometheus.io/path"] not in ROUTES or int(annotations["prometheus.io/port"]) != PORT:
        yield "Prometheus looks in another place"
    if predictor["deploymentStrategy"]["rollingUpdate"]["maxUnavailable"] != 0:
        yield "loses requests while it is updated"


def _train_job_references(item: Object, _objects: list[Object], workloads: list[Workload]) -> Iterator[str]:
    (own,) = [workload for workload in workloads if workload.name == name_of(item)]
    if own.container["name"] != "node" or item["spec"]["runtimeRef"]["name"] != "torch-distributed":
        yield "the runtime torch-distributed has one container, node"


_REFERENCES: dict[str, Callable[[Object, list[Object], list[Workload]], Iterator[str]]] = {
    "Deployment": _deployment,
    "Job": _job,
    "Service": _service,
    "HorizontalPodAutoscaler": _autoscaler,
    "PodDisruptionBudget": _selector,
    "PersistentVolumeClaim": _claim,
    "NetworkPolicy": _policy,
    "Ingress": _ingress,
    "HTTPRoute": _route,
    "ServiceMonitor": _monitor,
    "InferenceService": _inference_service,
    "TrainJob": _train_job_references,
}

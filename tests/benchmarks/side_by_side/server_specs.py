"""fieldguide and what people use instead, each as its own documentation recommends for production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from service.bundle import FP32, INT8
from tests.benchmarks.environment import ROOT

OURS, OURS_FP32 = "fieldguide", "fieldguide, fp32"
_OTHER_SERVERS = Path(__file__).resolve().parent / "other_servers"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One way to start a server. `{port}` and `{model}` (the folder with the model) are filled in.

    Attributes:
        name: In the output.
        program: A command of its environment.
        arguments: Of that command.
        environ: Variables beside those of this process and MODEL_DIR.
    """

    name: str
    program: str
    arguments: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ServerSpec:
    """What is installed, and how it can be started; of several configurations the fastest one is compared.

    Attributes:
        name: In the tables.
        requirements: Of its environment.
        packages: Those whose versions are printed.
        configurations: Ways to start it.
        goals: One of ours -> how many times the requests per second of this server it should process.
    """

    name: str
    requirements: tuple[str, ...]
    packages: tuple[str, ...]
    configurations: tuple[Configuration, ...]
    goals: Mapping[str, float] = field(default_factory=dict)


def server_specs(bundle: Path) -> tuple[ServerSpec, ...]:
    """Return all of them; ours are the first two, and serve `bundle`."""
    return (
        fieldguide(bundle, OURS, model="int8"),
        fieldguide(bundle, OURS_FP32, model="fp32"),
        fastai_starter(),
        fastapi_torch(),
        litserve_onnxruntime("LitServe + onnxruntime", goals={OURS: 1.5, OURS_FP32: 1.15}),
        litserve_onnxruntime("LitServe + onnxruntime, draft", draft=1),
        litserve_onnxruntime("LitServe + onnxruntime, our int8 file", model_file=INT8),
        bentoml_onnxruntime(),
    )


def fieldguide(bundle: Path, name: str, *, model: str) -> ServerSpec:
    """This checkout with its extra `service`, every other setting at its default."""
    arguments = ("-m", "service", "serve", str(bundle.resolve()), "--port", "{port}", "--model", model)
    return ServerSpec(
        name=name,
        requirements=(f"{ROOT}[service]",),
        packages=("fieldguide", "onnxruntime"),
        configurations=(Configuration(name="defaults", program="python", arguments=arguments),),
    )


def fastai_starter() -> ServerSpec:
    """Like the starter app: one process, whose event loop also predicts."""
    return ServerSpec(
        name="fast.ai starter",
        requirements=("fastai~=2.8", "timm", "safetensors", "starlette", "uvicorn[standard]", "python-multipart"),
        packages=("fastai", "torch", "starlette"),
        configurations=tuple(
            Configuration(
                name=f"{'progress bar' if progress_bar else 'no progress bar'}{', torch threads 1' * one_thread}",
                program="python",
                arguments=(str(_OTHER_SERVERS / "fastai_starter.py"), "{port}"),
                environ={"PROGRESS_BAR": str(progress_bar), **_torch_threads(one_thread)},
            )
            for progress_bar, one_thread in ((1, False), (0, False), (0, True))
        ),
        goals={OURS_FP32: 5.4},
    )


def fastapi_torch() -> ServerSpec:
    """One worker, or one for each core; torch uses all cores for an image, or one."""
    serve = ("fastapi_torch:app", "--app-dir", str(_OTHER_SERVERS))
    return ServerSpec(
        name="FastAPI + torch",
        requirements=("fastapi[standard]", "torch", "torchvision", "timm", "safetensors"),
        packages=("fastapi", "torch"),
        configurations=tuple(
            Configuration(
                name=f"workers {workers}{', torch threads 1' * one_thread}{', channels last' * channels_last}",
                program="uvicorn",
                arguments=(*serve, "--port", "{port}", "--workers", str(workers)),
                environ={"CHANNELS_LAST": str(channels_last), **_torch_threads(one_thread)},
            )
            for (workers, one_thread), channels_last in product(((1, False), (1, True), (2, True)), (0, 1))
        ),
    )


def _torch_threads(one: bool) -> dict[str, str]:
    return {"OMP_NUM_THREADS": "1"} if one else {}


def litserve_onnxruntime(
    name: str, *, model_file: str = FP32, draft: int = 0, goals: Mapping[str, float] | None = None
) -> ServerSpec:
    """Two workers."""
    return ServerSpec(
        name=name,
        requirements=("litserve~=0.2.19", "onnxruntime", "pillow", "python-multipart"),
        packages=("litserve", "onnxruntime"),
        configurations=tuple(
            Configuration(
                name=f"workers 2, onnxruntime threads {threads}{', fast queue' * fast}",
                program="python",
                arguments=(str(_OTHER_SERVERS / "litserve_onnxruntime.py"), "{port}"),
                environ={
                    "ONNX_THREADS": str(threads),
                    "FAST_QUEUE": str(fast),
                    "MODEL_FILE": model_file,
                    "DRAFT": str(draft),
                },
            )
            for threads, fast in product((1, 2), (0, 1))
        ),
        goals=goals or {},
    )


def bentoml_onnxruntime() -> ServerSpec:
    """Two workers."""
    serve = ("serve", "bentoml_onnxruntime:Classifier", "--working-dir", str(_OTHER_SERVERS))
    return ServerSpec(
        name="BentoML + onnxruntime",
        requirements=("bentoml~=1.4", "onnxruntime", "pillow"),
        packages=("bentoml", "onnxruntime"),
        configurations=tuple(
            Configuration(
                name=f"workers 2, request threads {sync}, onnxruntime threads {threads}",
                program="bentoml",
                arguments=(*serve, "--host", "127.0.0.1", "--port", "{port}"),
                environ={
                    "ONNX_THREADS": str(threads),
                    "WORKERS": "2",
                    "SYNC_THREADS": str(sync),
                    "BENTOML_HOME": "{model}/bentoml",
                    "BENTOML_DO_NOT_TRACK": "True",
                },
            )
            for threads, sync in product((1, 2), (1, 2))
        ),
    )

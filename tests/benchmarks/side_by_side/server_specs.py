"""fieldguide and what people use instead, each as its own documentation recommends for production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from tests.benchmarks.environment import ROOT

OURS = "fieldguide"
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
        goal: How many times its requests per second ours should process.
    """

    name: str
    requirements: tuple[str, ...]
    packages: tuple[str, ...]
    configurations: tuple[Configuration, ...]
    goal: float | None = None


def server_specs(bundle: Path) -> tuple[ServerSpec, ...]:
    """Return all of them; ours is the first, and serves `bundle`."""
    return fieldguide(bundle), fastai_starter(), fastapi_torch(), litserve_onnxruntime(), bentoml_onnxruntime()


def fieldguide(bundle: Path) -> ServerSpec:
    """This checkout with its extra `service`, every setting at its default."""
    # The file that the other servers run, too.
    arguments = ("-m", "service", "serve", str(bundle.resolve()), "--port", "{port}", "--model", "fp32")
    return ServerSpec(
        name=OURS,
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
        goal=5.4,
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


def litserve_onnxruntime() -> ServerSpec:
    """Two workers."""
    return ServerSpec(
        name="LitServe + onnxruntime",
        requirements=("litserve~=0.2.19", "onnxruntime", "pillow", "python-multipart"),
        packages=("litserve", "onnxruntime"),
        configurations=tuple(
            Configuration(
                name=f"workers 2, onnxruntime threads {threads}{', fast queue' * fast}",
                program="python",
                arguments=(str(_OTHER_SERVERS / "litserve_onnxruntime.py"), "{port}"),
                environ={"ONNX_THREADS": str(threads), "FAST_QUEUE": str(fast)},
            )
            for threads, fast in product((1, 2), (0, 1))
        ),
        goal=1.18,
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

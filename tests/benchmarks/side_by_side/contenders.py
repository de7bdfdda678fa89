"""fieldguide and what people use instead, each as its own documentation recommends for production."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from tests.benchmarks.environment import ROOT
from tests.benchmarks.side_by_side.contender import Configuration, Contender

OURS = "fieldguide"
_RIVALS = Path(__file__).resolve().parent / "rivals"


def contenders(bundle: Path) -> tuple[Contender, ...]:
    """All of them; ours is the first, and serves `bundle`."""
    return fieldguide(bundle), fastai_starter(), fastapi_torch(), litserve_onnxruntime(), bentoml_onnxruntime()


def fieldguide(bundle: Path) -> Contender:
    """This checkout with its extra `service`, every setting at its default."""
    arguments = ("-m", "service", "serve", str(bundle.resolve()), "--port", "{port}")
    return Contender(
        name=OURS,
        requirements=(f"{ROOT}[service]",),
        packages=("fieldguide", "onnxruntime"),
        configurations=(Configuration(name="defaults", program="python", arguments=arguments),),
    )


def fastai_starter() -> Contender:
    """As the starter app is: one process, whose event loop also predicts."""
    return Contender(
        name="fast.ai starter",
        requirements=("fastai~=2.8", "timm", "safetensors", "starlette", "uvicorn[standard]", "python-multipart"),
        packages=("fastai", "torch", "starlette"),
        configurations=tuple(
            Configuration(
                name=f"{'progress bar' if progress_bar else 'no progress bar'}{', torch threads 1' * one_thread}",
                program="python",
                arguments=(str(_RIVALS / "fastai_starter.py"), "{port}"),
                environ={"PROGRESS_BAR": str(progress_bar), **_torch_threads(one_thread)},
            )
            for progress_bar, one_thread in ((1, False), (0, False), (0, True))
        ),
        goal=5.4,
    )


def fastapi_torch() -> Contender:
    """One worker, or a worker a core; torch uses all cores for an image, or one."""
    serve = ("fastapi_torch:app", "--app-dir", str(_RIVALS))
    return Contender(
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


def litserve_onnxruntime() -> Contender:
    """Two workers."""
    return Contender(
        name="LitServe + onnxruntime",
        requirements=("litserve~=0.2.19", "onnxruntime", "pillow", "python-multipart"),
        packages=("litserve", "onnxruntime"),
        configurations=tuple(
            Configuration(
                name=f"workers 2, onnxruntime threads {threads}{', fast queue' * fast}",
                program="python",
                arguments=(str(_RIVALS / "litserve_onnxruntime.py"), "{port}"),
                environ={"ONNX_THREADS": str(threads), "FAST_QUEUE": str(fast)},
            )
            for threads, fast in product((1, 2), (0, 1))
        ),
        goal=1.18,
    )


def bentoml_onnxruntime() -> Contender:
    """Two workers."""
    serve = ("serve", "bentoml_onnxruntime:Classifier", "--working-dir", str(_RIVALS))
    return Contender(
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

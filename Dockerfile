# The service in a container: no torch, no compiler, no pip in the last stage. See docs/serving.md.
#
#   docker build -t fieldguide .                                      the bundle is mounted, at /bundle
#   cp -r run/bundle bundle && docker build --target baked -t bears . the bundle in ./bundle is part of the image;
#                                                                     another in it: --build-arg BUNDLE=bundle/bears.zip
#   docker build --target trainer -t fieldguide-trainer .             training, with torch and CUDA: docs/training.md
#
# A workflow pins the digest of the base image: --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:...
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS packages
COPY deploy/locks/service.txt /locks/service.txt
# Wheels alone, each with its hash: nothing of a package runs while it is installed.
RUN python -m pip install --no-cache-dir --no-compile --disable-pip-version-check --root-user-action ignore \
        --only-binary :all: --require-hashes --target /packages --requirement /locks/service.txt
# What no request needs: tools that convert and train models, fonts, tests, sources. `make container-test` shows that
# nothing is missed: every image format, heatmaps, metrics, the page.
WORKDIR /packages
RUN rm -rf bin onnxruntime/transformers onnxruntime/quantization onnxruntime/tools onnxruntime/backend \
        onnxruntime/datasets google numpy/f2py numpy/distutils PIL/_imagingft* pillow.libs/libharfbuzz* \
        pillow.libs/libfreetype* \
    && find . -type d -name tests -prune -exec rm -rf {} + \
    && find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.a' \) -delete
COPY service service
# Compiled here, since the container cannot write: it is ready sooner.
RUN python -m compileall -q -j 0 /packages

FROM ${PYTHON_IMAGE} AS slim
RUN rm -rf /usr/local/lib/python3*/site-packages/pip /usr/local/lib/python3*/site-packages/pip-* /usr/local/bin/pip* \
        /usr/local/lib/python3*/ensurepip
COPY --from=packages /packages /opt/fieldguide
ENV PYTHONPATH=/opt/fieldguide \
    PYTHONUNBUFFERED=1 \
    FIELDGUIDE_HOST=:: \
    FIELDGUIDE_PORT=8000
LABEL org.opencontainers.image.title="fieldguide" \
      org.opencontainers.image.description="Says what is in a photo, with the model of a bundle." \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['FIELDGUIDE_PORT']}/livez\", timeout=2)"]
ENTRYPOINT ["python", "-m", "service"]
CMD ["serve"]

FROM slim AS baked
# A folder or a zip in the build context; .dockerignore lets `bundle` through.
ARG BUNDLE=bundle
COPY ${BUNDLE} /bundle

# Training jobs on machines with an NVIDIA GPU, or on a CPU. It was built and run on a CPU as user 65532 with a read-only
# root. It has not been run on a GPU, nor on the official base image.
FROM ${PYTHON_IMAGE} AS trainer
COPY deploy/locks/trainer.txt /usr/local/share/fieldguide/trainer.txt
# One stage, since a copy of these packages would take gigabytes of the builder's disk. Results lie in /runs: a volume that
# is made from this folder belongs to the user below.
RUN python -m pip install --no-cache-dir --no-compile --disable-pip-version-check --root-user-action ignore \
        --only-binary :all: --require-hashes --target /opt/fieldguide --requirement /usr/local/share/fieldguide/trainer.txt \
    && rm -rf /opt/fieldguide/bin /usr/local/lib/python3*/site-packages/pip /usr/local/lib/python3*/site-packages/pip-* \
        /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip \
    && find /opt/fieldguide -name '*.a' -delete \
    && python -m compileall -q -j 0 /opt/fieldguide \
    && install -d -o 65532 -g 0 -m 775 /runs
COPY service /opt/fieldguide/service
COPY trainer /opt/fieldguide/trainer
COPY fieldguide /opt/fieldguide/fieldguide
RUN python -m compileall -q /opt/fieldguide/service /opt/fieldguide/trainer /opt/fieldguide/fieldguide
# HOME is where matplotlib, torch, triton and huggingface-hub keep caches: any user may write there, also without a name.
ENV PYTHONPATH=/opt/fieldguide \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    TORCHINDUCTOR_CACHE_DIR=/tmp/torchinductor \
    FIELDGUIDE_CACHE=/runs/.cache \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
LABEL org.opencontainers.image.title="fieldguide-trainer" \
      org.opencontainers.image.description="Fine-tunes an image classifier on a folder of photos." \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
# As process 1 Python ignores SIGTERM. SIGINT stops a training as Ctrl-C does: `resume` continues it.
STOPSIGNAL SIGINT
ENTRYPOINT ["python", "-m", "fieldguide"]
CMD ["--help"]

# The last stage is what is built if no other is named.
FROM slim AS service

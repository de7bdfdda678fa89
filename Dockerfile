# The service in a container: no torch, no compiler, no pip in the last stage. See docs/serving.md.
#
#   docker build -t fieldguide .                                      the bundle is mounted, at /bundle
#   cp -r run/bundle bundle && docker build --target baked -t bears . the bundle in ./bundle is part of the image
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
COPY bundle /bundle

# The last stage is what is built if no other is named.
FROM slim AS service

"""The places to which a bundle can be deployed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """A place. Texts have example values in them, as the files in `deploy/` have; see `fieldguide.deployment.values`.

    Attributes:
        name: What the command calls it; also the name of its folder in `deploy/`.
        summary: What it is, in a few words.
        commands: What to type next, if the files are in the folder `./site`.
        url: Where the page is then.
        needs_image: Whether other machines get the image from a registry, so that its address is needed.
        needs_host: Whether its files have the public name of the host.
    """

    name: str
    summary: str
    commands: tuple[str, ...]
    url: str
    needs_image: bool = False
    needs_host: bool = False


TARGETS = {
    target.name: target
    for target in (
        Target(
            name="space",
            summary="a Hugging Face Space (free)",
            commands=(
                "hf auth login",
                "hf repos create bears --type space --sdk docker --env FIELDGUIDE_FRAME_ANCESTORS=https://huggingface.co",
                "hf upload bears ./site . --type space",
            ),
            url="https://USER-bears.hf.space, with your name for USER, once the Space has built the image",
        ),
        Target(
            name="fly",
            summary="Fly.io",
            commands=("fly auth login", "fly apps create bears", "fly deploy ./site --ha=false"),
            url="https://bears.fly.dev",
        ),
        Target(
            name="render",
            summary="Render, from a git repository of your own",
            commands=(
                "cd ./site",
                "git init --initial-branch main && git add . && git commit --message 'Deploy bears'",
                "git remote add origin REPOSITORY && git push --set-upstream origin main",
            ),
            url="shown by Render after New > Blueprint with this repository",
        ),
        Target(
            name="cloud-run",
            summary="Google Cloud Run",
            commands=(
                "gcloud auth login",
                "gcloud builds submit ./site --tag registry.example.org/bears:1",
                "gcloud run services replace ./site/service.yaml",
                "gcloud run services add-iam-policy-binding bears --member=allUsers --role=roles/run.invoker",
            ),
            url="shown by the third command",
            needs_image=True,
        ),
        Target(
            name="systemd",
            summary="a Linux machine of your own: systemd, and Caddy for TLS",
            commands=(
                "rsync -a ./site/ bears.example.org:bears/",
                "ssh -t bears.example.org sudo apt-get install -y caddy python3-venv",
                "ssh -t bears.example.org sudo bears/install.sh",
                "curl -F file=@photo.jpg https://bears.example.org/v1/predict",
            ),
            url="https://bears.example.org",
            needs_host=True,
        ),
        Target(
            name="compose",
            summary="Docker Compose on one machine, with Prometheus and Grafana",
            commands=("cd ./site", "docker compose up --build --detach --wait"),
            url="http://127.0.0.1:8000",
        ),
        Target(
            name="kubernetes",
            summary="Kubernetes",
            commands=(
                "docker build --tag registry.example.org/bears:1 ./site",
                "docker push registry.example.org/bears:1",
                "kubectl apply --kustomize ./site",
                "kubectl rollout status deployment bears",
            ),
            url="https://bears.example.org",
            needs_image=True,
            needs_host=True,
        ),
        Target(
            name="kserve",
            summary="KServe on Kubernetes",
            commands=(
                "docker build --tag registry.example.org/bears:1 ./site",
                "docker push registry.example.org/bears:1",
                "kubectl apply --filename ./site/inference-service.yaml",
            ),
            url="shown by: kubectl get inferenceservice bears",
            needs_image=True,
        ),
    )
}

"""An overlay of ``deploy/kustomize`` as an operator applies it, on the real control plane."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remediator.settings import Settings, load_settings
from tests.controlplane.access import write_kubeconfig
from tests.controlplane.build import command
from tests.controlplane.server import ControlPlane
from tests.controlplane.words import PROVISIONER

ROOT = Path(__file__).parents[2]
OVERLAY = ROOT / "deploy" / "kustomize" / "overlays" / "single"
REPLICAS = OVERLAY.parent / "replicas"
MOUNTED = "/etc/remediator/secrets"
SECRETS = ("alertmanager-token", "oncall-token", "pagerduty-routing-key")
_SERVICE_MONITOR = ROOT / "tests" / "data" / "crds" / "servicemonitor.yaml"
_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {
        "name": "installed",
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
    },
    "provisioner": PROVISIONER,
}


@dataclass
class Installed:
    """What the cluster's administrator does with kubectl, and what the service account then may do."""

    plane: ControlPlane
    directory: Path
    overlay: Path = OVERLAY

    def kubectl(self, *arguments: str, document: Any = None) -> str:
        """Standard output and then standard error, since kubectl warns there. AssertionError with both if it fails."""
        kubectl = command("kubectl")
        assert kubectl is not None
        done = subprocess.run(
            [
                *kubectl,
                f"--kubeconfig={self.plane.admin_kubeconfig}",
                f"--cache-dir={self.directory / 'kubectl'}",
                *arguments,
            ],
            input=None if document is None else json.dumps(document),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def get(self, kind: str, name: str, namespace: str = "remediator") -> Any:
        return json.loads(self.kubectl("-n", namespace, "get", kind, name, "-o", "json"))

    def prepare(self) -> None:
        """What the cluster has before: the Prometheus operator's kind, a default storage class, the namespace that is to be looked
        after, and the secrets that deploy/README.md asks for."""
        self.kubectl("apply", "-f", str(_SERVICE_MONITOR))
        self.kubectl(
            "wait", "--for=condition=Established", "crd/servicemonitors.monitoring.coreos.com", "--timeout=30s"
        )
        self.kubectl("apply", "-f", "-", document=_CLASS)
        self.kubectl("create", "namespace", "shop")
        self.kubectl("create", "namespace", "remediator")
        files = []
        for number, name in enumerate(SECRETS):
            (self.directory / name).write_text(f"{number:032d}")
            files.append(f"--from-file={self.directory / name}")
        self.kubectl("-n", "remediator", "create", "secret", "generic", "remediator-secrets", *files)

    def apply(self, *arguments: str) -> str:
        """The overlay, whole, on the server's side."""
        return self.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(self.overlay), *arguments)

    def remove(self) -> None:
        """All of it. Returns when the namespaces are gone, so that another installation can take their names."""
        self.kubectl("delete", "--ignore-not-found", "--wait=false", "-k", str(self.overlay))
        self.kubectl("delete", "--ignore-not-found", "--timeout=80s", "namespace", "shop", "remediator")
        self.kubectl("delete", "--ignore-not-found", "storageclass", "installed")

    def kubeconfig(self) -> Path:
        """Of the service account that the overlay makes."""
        token = self.kubectl("-n", "remediator", "create", "token", "remediator").strip()
        certificate = self.plane.access.certificate.read_bytes()
        return write_kubeconfig(self.directory / "remediator.kubeconfig", self.plane.url, certificate, token)

    def settings(self, **changes: Any) -> tuple[Path, Settings]:
        """The overlay's own, with the secrets where they lie here and the API server where it is."""
        text = (self.overlay / "remediator.yaml").read_text().replace(MOUNTED, str(self.directory))
        path = self.directory / "remediator.yaml"
        path.write_text(text)
        given = {"clusters.production.kubeconfig": str(self.kubeconfig()), **changes}
        return path, load_settings(path, {}, given)

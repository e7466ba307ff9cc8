"""What the test bed is made of: which Go modules, how they are built, what that costs. The go.mod files pin the versions."""

import hashlib
import platform
import re
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_KUBERNETES_VERSION = "k8s.io/component-base/version"


@dataclass(frozen=True)
class Recipe:
    """One folder beside this file with a go.mod."""

    name: str
    module: str
    """Its version is the component's."""
    programs: dict[str, tuple[str, ...]]
    """Command lines, each of a file that the build leaves."""
    packages: tuple[str, ...]
    cost: str
    flags: tuple[str, ...] = ()
    page: str | None = None
    """A file that the module embeds and its published archive lacks: a built user interface."""
    files: str | None = None
    """Files of the module that the build leaves beside the programs."""

    @property
    def folder(self) -> Path:
        return _HERE / self.name

    @property
    def version(self) -> str:
        found = re.search(
            rf"^\s*(?:require )?{re.escape(self.module)} v(\S+)", (self.folder / "go.mod").read_text(), re.M
        )
        assert found is not None
        return found[1]

    @property
    def key(self) -> str:
        """Names the outcome: another pin, source, flag or machine is another one."""
        digest = hashlib.sha256()
        for file in sorted(self.folder.iterdir()):
            digest.update(file.name.encode() + file.read_bytes())
        digest.update(repr((self.build_flags(), self.page, platform.system(), platform.machine())).encode())
        digest.update((self.files or "").encode())
        return f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"

    def build_flags(self) -> list[str]:
        linked = self._kubernetes_versions() if self.name == "kubernetes" else {}
        linker = " ".join(["-s -w", *(f"-X {key}={value}" for key, value in linked.items())])
        return ["-trimpath", "-buildvcs=false", f"-ldflags={linker}", *self.flags]

    def _kubernetes_versions(self) -> dict[str, str]:
        """Without them the API server calls itself v0.0.0, and its compatibility checks refuse to start."""
        major, minor, _ = self.version.split(".", 2)
        told = {"gitVersion": f"v{self.version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        return {f"{_KUBERNETES_VERSION}.{key}": value for key, value in told.items()}


KUBERNETES = Recipe(
    "kubernetes",
    "k8s.io/kubernetes",
    {
        name: ("controlplane", name)
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    },
    (".",),
    "etcd, kube-apiserver, kube-controller-manager, kube-scheduler: 5 to 12 minutes on two cores, 2.2 GB of memory, "
    "6 GB of Go's caches",
)
ALERTMANAGER = Recipe(
    "alertmanager",
    "github.com/prometheus/alertmanager",
    {"alertmanager": ("alertmanager",), "amtool": ("amtool",)},
    ("github.com/prometheus/alertmanager/cmd/alertmanager", "github.com/prometheus/alertmanager/cmd/amtool"),
    "alertmanager, amtool: about a minute",
    page="ui/app/dist/index.html",
)
PROMETHEUS = Recipe(
    "prometheus",
    "github.com/prometheus/prometheus",
    {"prometheus": ("prometheus",)},
    ("github.com/prometheus/prometheus/cmd/prometheus",),
    "prometheus: about two minutes",
    ("-tags=remove_all_sd",),
)
CERT_MANAGER = Recipe(
    "certmanager",
    "github.com/cert-manager/cert-manager",
    {"cert-manager": ("cert-manager",)},
    (".",),
    "cert-manager's controllers: two to four minutes",
    files="deploy/crds/*.yaml",
)
ALL = (KUBERNETES, ALERTMANAGER, PROMETHEUS, CERT_MANAGER)

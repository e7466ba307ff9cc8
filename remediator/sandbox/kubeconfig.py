"""A kubeconfig for the emulated cluster. Written as JSON, which every YAML reader takes."""

import json
from pathlib import Path


def write_kubeconfig(path: Path, server: str, token: str | None = None, context: str = "sandbox") -> Path:
    """Write the file (mode 600) and return its path; an existing file is replaced."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": context, "cluster": {"server": server}}],
        "users": [{"name": context, "user": {"token": token} if token is not None else {}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context, "namespace": "default"}}],
    }
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(config, indent=2) + "\n")
    return path

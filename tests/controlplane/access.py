"""Who may do what on the test bed's cluster: one throw-away certificate for every server, a token for every component."""

import base64
import json
import secrets
import ssl
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.controlplane.processes import StartError

ADMIN, CONTROLLERS, SCHEDULER = "admin", "system:kube-controller-manager", "system:kube-scheduler"


@dataclass(frozen=True)
class Access:
    """Files of one cluster in one directory.

    The certificate signs itself, so it is its own authority; it serves, it identifies the API server to kubelets, and its key signs
    the tokens of service accounts.
    """

    directory: Path
    tokens: dict[str, str] = field(repr=False)

    @property
    def certificate(self) -> Path:
        return self.directory / "tls.crt"

    @property
    def key(self) -> Path:
        return self.directory / "tls.key"

    @property
    def token_file(self) -> Path:
        """For kube-apiserver: token, user, uid, groups."""
        return self.directory / "tokens.csv"

    def kubeconfig_path(self, user: str) -> Path:
        return self.directory / f"{user.removeprefix('system:')}.kubeconfig"

    def kubeconfig(self, user: str, server: str) -> Path:
        """Write a kubeconfig for one of the users and return its path."""
        path = self.kubeconfig_path(user)
        return write_kubeconfig(path, server, self.certificate.read_bytes(), self.tokens[user])

    def kubelet_tls(self) -> ssl.SSLContext:
        """What kubelets serve with: they hear nobody but the API server."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.certificate))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_access(directory: Path) -> Access:
    """Make certificate and tokens. Raises StartError without `openssl`."""
    access = Access(directory, {user: secrets.token_urlsafe(24) for user in (ADMIN, CONTROLLERS, SCHEDULER)})
    command = [
        *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=sandbox/O=system:masters"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-keyout", str(access.key), "-out", str(access.certificate)),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "extendedKeyUsage=serverAuth,clientAuth"),
        *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise StartError("there is no openssl on this machine: it makes the test bed's certificate") from None
    except subprocess.CalledProcessError as error:
        raise StartError(f"openssl made no certificate: {error.stderr}") from None
    groups = {ADMIN: "system:masters"}
    access.token_file.touch(mode=0o600)
    access.token_file.write_text(
        "".join(f'{token},{user},{user},"{groups.get(user, "")}"\n' for user, token in access.tokens.items())
    )
    return access


def read_tokens(directory: Path) -> dict[str, str]:
    """What `make_access` wrote there."""
    lines = (directory / "tokens.csv").read_text().splitlines()
    return {user: token for token, user, *_ in (line.split(",") for line in lines)}


def write_kubeconfig(path: Path, server: str, certificate: bytes, token: str) -> Path:
    """Written as JSON, which every YAML reader takes."""
    name = "sandbox"
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(certificate).decode()}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=2) + "\n")
    return path

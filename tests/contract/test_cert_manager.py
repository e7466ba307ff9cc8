"""The real cert-manager of the test bed issues."""

import pytest

from tests.controlplane.cert_manager import CA
from tests.support.real_cluster import RealStage

pytestmark = pytest.mark.usefixtures("cert_manager")


async def test_it_issues(real_stage: RealStage) -> None:
    spec = {
        "secretName": "web-tls",
        "dnsNames": ["web.example.net"],
        "issuerRef": {"kind": "ClusterIssuer", "name": CA},
    }
    await real_stage.create({"kind": "Certificate", "metadata": {"name": "web"}, "spec": spec})
    await real_stage.until("Certificate", "web", lambda found: found["status"].get("revision") == 1)
    assert (await real_stage.get("Secret", "web-tls"))["type"] == "kubernetes.io/tls"

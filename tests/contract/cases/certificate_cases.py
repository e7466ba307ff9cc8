"""Certificates that are renewed."""

from remediator.targets import Target
from tests.controlplane.cert_manager import CA
from tests.support import certificates
from tests.support.action_case import ActionCase
from tests.support.certificates_for_real import issue
from tests.support.cluster import Stage


async def _issued(stage: Stage) -> Target:
    if not stage.is_real:
        await certificates.issuer(stage, CA, kind="ClusterIssuer")
    return await issue(stage, "web", issuerRef={"kind": "ClusterIssuer", "name": CA})


async def _issued_again(stage: Stage) -> int:
    return int((await stage.get("Certificate", "web"))["status"]["revision"]) - 1


CASES = (
    ActionCase(
        "certmanager.renew",
        prepare=_issued,
        changes=_issued_again,
        params={"early": "accept"},
        unasked=frozenset({"issuers"}),
        needs="cert_manager",
    ),
)

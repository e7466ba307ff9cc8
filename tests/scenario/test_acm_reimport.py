"""An imported certificate of ACM is replaced from a Secret by a whole service, and its key stands nowhere but in ACM."""

import base64
from datetime import timedelta
from pathlib import Path

from structlog.testing import capture_logs

from remediator.runs.cursor import Outcome
from remediator.sandbox.world import World
from tests.support.aws_account import account_settings
from tests.support.drill import approve, in_state, listen, timeline
from tests.support.key_pairs import KeyPair, key_pair
from tests.support.service import running

ID = "3b9a8c7d-0000-4000-8000-000000000001"
ARN = f"arn:aws:acm:eu-central-1:111122223333:certificate/{ID}"
NAMES = ("shop.example", "www.shop.example")
PLAYBOOK = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: reimport, owner: platform}
match: [['alertname="AcmCertificateExpiry"', 'certificate_arn!=""']]
target:
  acm_certificate: {name: "{{ labels.certificate_arn }}"}
autonomy: approve
guards: {cooldown: 1d, budget: {runs: 1, per: 1d}}
remedies:
  - name: reimport
    when: [{acm_renewable: {by: import}}]
    steps: [{aws.acm_reimport: {namespace: shop, secret: shop-tls}}]
    verify: {within: 90s, hold: 300ms, all: [{acm_renewed: {}}]}
    if_refuted: keep
"""


def near_its_end(world: World) -> KeyPair:
    """And a newer one of the same names in a Secret. The first write is denied, so that an error is told of as well."""
    found = world.aws.acm.imported(ID, *NAMES, left=timedelta(days=5))
    made = key_pair(*NAMES, until=world.pace.now() + timedelta(days=90))
    data = {"tls.crt": base64.b64encode(made.chain).decode(), "tls.key": base64.b64encode(made.key).decode()}
    metadata = {"name": "shop-tls", "namespace": "shop"}
    world.kubernetes.put("secrets", {"metadata": metadata, "type": "kubernetes.io/tls", "data": data})
    world.aws.fault("acm", "ImportCertificate", "throttled")
    labels = {"certificate_arn": ARN, "severity": "high"}
    world.alert_when(lambda: found.imports == 0, "AcmCertificateExpiry", labels)
    return made


async def test_the_key_stands_in_no_file_no_log_no_page_and_no_answer(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        made = near_its_end(world)
        settings = account_settings(world, tmp_path, "acm-certificate/*")
        with capture_logs() as logs:
            async with running(tmp_path, PLAYBOOK, world=world, **settings) as service:
                listen(world, service)
                await approve(service)
                run = await in_state(service, "ended")
                assert run.outcome == Outcome.VERIFIED, run.reason
                _, shown = await service.api("GET", f"runs/{run.id}")
                told = f"{await timeline(service)} {shown} {vars(world.pagerduty)} {logs}"
    assert world.aws.acm.certificates[ID].private_key == made.key
    files = b"".join(one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())
    lines = [line for line in made.key.decode().splitlines() if len(line) > 20 and "PRIVATE KEY" not in line]
    lines += [base64.b64encode(made.key).decode()[:60]]
    assert "import the certificate of Secret shop/shop-tls" in told and b"shop-tls" in files
    assert not [line for line in lines if line in told or line.encode() in files]

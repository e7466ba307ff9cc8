"""Certificates on an emulated stage, which has a cert-manager of its own. The real one: ``certificates_for_real.py``."""

from datetime import timedelta

from remediator.sandbox.kubernetes import words
from remediator.sandbox.kubernetes.controllers.issuance import is_issuing
from tests.support.cluster import MERGE, Object, Stage
from tests.support.kinds import kind_of

LONG_AGO = timedelta(days=80)
"""Of the 90 days that a certificate lasts: cert-manager would have renewed it 20 days ago."""
HOST = "shop.example.net"
_ACME = {"server": "https://acme.example.net", "privateKeySecretRef": {"name": "account"}}


async def issuer(
    stage: Stage,
    name: str = "ca",
    *,
    kind: str = "Issuer",
    acme: bool = False,
    answers: str = "",
    ready: bool = True,
) -> None:
    """An issuer whose state is settled. ``answers``: one of those that ``words.ISSUES`` names."""
    annotations = {words.ISSUES: answers, **({} if ready else {words.READY: "False"})}
    spec = {"acme": _ACME} if acme else {"selfSigned": {}}
    await stage.create({"kind": kind, "metadata": {"name": name, "annotations": annotations}, "spec": spec})
    await stage.until(kind, name, lambda found: found["status"].get("conditions"), what="judged")


async def certificate(
    stage: Stage,
    name: str = "web",
    *,
    issued_ago: timedelta = LONG_AGO,
    issued: bool = True,
    **spec: object,
) -> Object:
    """One that was issued once, ``issued_ago``, and is not renewed by itself, unless it is not to be ``issued`` at all."""
    known = {words.ISSUED_AGO: str(issued_ago.total_seconds()), words.TRIGGER: "never"}
    wanted = {"secretName": f"{name}-tls", "issuerRef": {"name": "ca"}, "dnsNames": [HOST], **spec}
    await stage.create({"kind": "Certificate", "metadata": {"name": name, "annotations": known}, "spec": wanted})
    if not issued:
        return await stage.get("Certificate", name)
    return await stage.until("Certificate", name, lambda found: found["status"].get("revision") == 1, what="issued")


async def answer(stage: Stage, how: str, name: str = "ca") -> None:
    """From now on the issuer answers so."""
    await stage.patch("Issuer", name, {"metadata": {"annotations": {words.ISSUES: how}}})


async def say(stage: Stage, name: str, **status: object) -> Object:
    """What cert-manager writes into a Certificate's status."""
    path = kind_of("Certificate").path(stage.namespace, name, "status")
    return await stage.request("PATCH", f"{path}?fieldManager=cert-manager", {"status": status}, MERGE)


async def ended(stage: Stage, name: str = "web") -> Object:
    """Wait until the attempt that was begun has ended."""
    return await stage.until("Certificate", name, lambda found: not is_issuing(found), what="at rest")

"""Certificates of the real cert-manager, each stage with an authority of its own that tests can break."""

import base64
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from remediator.targets import Target
from tests.support.cluster import Object, Stage
from tests.support.real_cluster import RealStage

AUTHORITY = "authority"
"""An Issuer of the namespace, and the Secret of its CA, which belongs to no Certificate, so that nobody mends it."""
_WITHIN_S = 30.0


async def authority(stage: RealStage) -> None:
    """Have the Issuer, ready."""
    await stage.create({"kind": "Issuer", "metadata": {"name": "itself"}, "spec": {"selfSigned": {}}})
    await issue(stage, "root", issuer="itself", isCA=True, commonName="root", dnsNames=[])
    root = await stage.get("Secret", "root-tls")
    await stage.create(
        {"kind": "Secret", "metadata": {"name": AUTHORITY}, "type": "kubernetes.io/tls", "data": root["data"]}
    )
    await stage.create({"kind": "Issuer", "metadata": {"name": AUTHORITY}, "spec": {"ca": {"secretName": AUTHORITY}}})
    await stage.until("Issuer", AUTHORITY, is_ready, within_s=_WITHIN_S)


async def authority_of_another_key(stage: RealStage) -> None:
    """The Issuer goes on saying that it is ready, and can sign no more: its certificate has another key."""
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    held = await stage.get("Secret", AUTHORITY)
    pair = {**held["data"], "tls.key": base64.b64encode(key).decode()}
    await stage.create({"kind": "Secret", "metadata": {"name": "mixed"}, "type": "kubernetes.io/tls", "data": pair})
    changed = await stage.patch("Issuer", AUTHORITY, {"spec": {"ca": {"secretName": "mixed"}}})
    generation = changed["metadata"]["generation"]
    # By then cert-manager has seen the Issuer as it is now, and the Secret.
    await stage.until(
        "Issuer", AUTHORITY, lambda one: one["status"]["conditions"][0]["observedGeneration"] == generation
    )


async def ask_for(stage: Stage, name: str, *, issuer: str = AUTHORITY, **spec: object) -> Target:
    """A Certificate; nothing is waited for."""
    wanted = {
        "secretName": f"{name}-tls",
        "dnsNames": [f"{name}.example.net"],
        "issuerRef": {"name": issuer},
        "privateKey": {"algorithm": "ECDSA"},
        **spec,
    }
    await stage.create({"kind": "Certificate", "metadata": {"name": name}, "spec": wanted})
    return stage.target(name, "certificate")


async def issue(stage: Stage, name: str, **spec: object) -> Target:
    """A Certificate that was issued."""
    target = await ask_for(stage, name, **spec)  # type: ignore[arg-type]
    await stage.until("Certificate", name, lambda found: is_ready(found) and not is_issuing(found), within_s=_WITHIN_S)
    return target


def is_ready(found: Object) -> bool:
    return _has(found, "Ready")


def is_issuing(found: Object) -> bool:
    return _has(found, "Issuing")


def _has(found: Object, type_: str) -> bool:
    conditions = found.get("status", {}).get("conditions") or ()
    return any(one["type"] == type_ and one["status"] == "True" for one in conditions)


async def in_secret(stage: Stage, name: str) -> x509.Certificate:
    """What is served by whoever serves the Certificate's Secret."""
    held = await stage.get("Secret", f"{name}-tls")
    return x509.load_pem_x509_certificate(base64.b64decode(held["data"]["tls.crt"]))


def a_second_after(found: x509.Certificate) -> bool:
    """Instants in certificates are whole seconds: one that is issued from now on ends later."""
    return (datetime.now(UTC) - found.not_valid_before_utc).total_seconds() >= 1

"""What the watcher of certificates lists, on the emulator and on the real API server."""

import base64
from datetime import UTC, datetime, timedelta

from remediator.clients.kubernetes.ingresses import TlsHost, list_ingresses
from remediator.clients.kubernetes.tls_secrets import list_tls_secrets
from tests.support.cluster import Stage
from tests.support.key_pairs import KeyPair, key_pair

END = (datetime.now(UTC) + timedelta(days=9)).replace(microsecond=0)


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def tls_secret(stage: Stage, name: str, pair: KeyPair) -> None:
    data = {"tls.crt": coded(pair.chain), "tls.key": coded(pair.key)}
    await stage.create({"kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls", "data": data})


async def test_certificates_of_tls_secrets_and_of_no_others(stage: Stage) -> None:
    pair = key_pair("shop.example.net", until=END)
    await tls_secret(stage, "shop", pair)
    await tls_secret(stage, "unreadable", KeyPair(b"none", b"none"))
    other = {"tls.crt": coded(pair.chain)}
    await stage.create({"kind": "Secret", "metadata": {"name": "other"}, "type": "Opaque", "data": other})
    client = await stage.client(list_tls_secrets())
    found = await client.tls_secrets.certificates(stage.namespace)
    assert {name: held.not_after for name, held in found.items()} == {"shop": END}


async def test_hosts_of_ingresses(stage: Stage) -> None:
    backend = {"service": {"name": "shop", "port": {"number": 80}}}
    tls = [{"hosts": ["shop.example.net", "*.example.net"], "secretName": "shop"}, {"hosts": ["pay.example.net"]}]
    spec = {"defaultBackend": backend, "tls": tls}
    await stage.create({"kind": "Ingress", "metadata": {"name": "front"}, "spec": spec})
    await stage.create({"kind": "Ingress", "metadata": {"name": "plain"}, "spec": {"defaultBackend": backend}})
    client = await stage.client(list_ingresses())
    found = await client.ingresses.tls_hosts(stage.namespace)
    assert found == (TlsHost("front", "pay.example.net"), TlsHost("front", "shop.example.net"))

"""The Kubernetes library without what is not used of it; in processes of their own, since other tests have it whole."""

import subprocess
import sys

import pytest

LOADED = "from remediator.clients.kubernetes.library import load; import sys; library = load(); "


def said(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", LOADED + program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_is_used_of_it_loads_none_of_the_kinds() -> None:
    program = """
library.client.ApiClient, library.client.Configuration(), library.config.load_kube_config
print(sum(name.startswith("kubernetes_asyncio.client.models.") for name in sys.modules))
"""
    assert said(program) == "0"


@pytest.mark.slow
def test_everything_else_is_there_for_whoever_asks() -> None:
    program = """
from kubernetes_asyncio import client
from kubernetes_asyncio.client import ApiClient, CoreV1Api, V1Pod
assert library.client is client and ApiClient is library.client.ApiClient and client.models.V1Pod is V1Pod
assert not hasattr(client, "NoSuchThing")
print(CoreV1Api.__name__)
"""
    assert said(program) == "CoreV1Api"


@pytest.mark.slow
def test_where_it_was_loaded_before_nothing_is_changed() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import kubernetes_asyncio.client as whole\n" + LOADED + "assert library.client is whole",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr

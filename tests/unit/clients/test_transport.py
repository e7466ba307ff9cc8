import pytest
from yarl import URL

from remediator.clients.kubernetes.wire import KubernetesWire
from remediator.clients.transport import is_loopback
from remediator.clients.wire import Sent


def is_write(method: str, url: URL) -> bool:
    return KubernetesWire().is_write(Sent(method, url, {}))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "get", "BREW"])
def test_everything_but_reading_methods_is_a_write(method: str) -> None:
    assert is_write(method, URL("http://127.0.0.1/api/v1/pods"))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_methods(method: str) -> None:
    assert not is_write(method, URL("http://127.0.0.1/api/v1/pods"))


def test_only_the_post_of_an_access_review_is_a_read() -> None:
    review = URL("http://127.0.0.1/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
    assert not is_write("POST", review)
    assert is_write("DELETE", review)
    assert is_write("POST", URL("http://127.0.0.1/api/v1/namespaces/x/configmaps?selfsubjectaccessreviews"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", None, "0.0.0.0", "10.0.0.1", "localhost.example.net", "2130706433", "127.1", "::ffff:8.8.8.8"]
)
def test_not_loopback(host: str | None) -> None:
    assert not is_loopback(host)

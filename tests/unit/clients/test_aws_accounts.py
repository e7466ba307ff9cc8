"""Accounts of settings that could never be asked are refused at the start, in words that say what to do."""

import pytest

from remediator.clients.aws.connect import AwsAccounts
from remediator.errors import ConfigError
from remediator.settings import AwsAccount
from tests.support.clock import ManualClock

ACCOUNT = AwsAccount(id="111122223333", regions=("eu-central-1",))


def test_without_the_library_accounts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking it later would be an error of Python's in the middle of the service."""
    monkeypatch.setattr("remediator.clients.aws.connect.find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"AWS needs the library aioboto3 \(install remediator\[aws\]\)"):
        AwsAccounts({"main": ACCOUNT}, dry_run=True, clock=ManualClock(), timeout_s=1)
    assert AwsAccounts({}, dry_run=True, clock=ManualClock(), timeout_s=1).places == {}


@pytest.mark.parametrize("url", [None, "http://10.0.0.1:4566", "https://rds.eu-central-1.amazonaws.com"])
def test_an_endpoint_elsewhere_is_refused_where_only_loopback_is_asked(url: str | None) -> None:
    account = ACCOUNT.model_copy(update={"loopback_only": True, "endpoint_url": url})
    with pytest.raises(ConfigError, match="loopback_only is set, but the endpoint is"):
        AwsAccounts({"main": account}, dry_run=True, clock=ManualClock(), timeout_s=1)

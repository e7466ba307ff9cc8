"""The address to block is a label, so anybody who can forge an alert writes it: one address in one spelling, or no target."""

import pytest

from remediator.playbooks.target_spec import TargetSpec, TargetUndeterminedError
from remediator.targets import InvalidTargetError, Target

SPEC = TargetSpec.model_validate({"waf_address": {"ip_set": "{{ vars.set }}", "address": "{{ labels.address }}"}})


@pytest.mark.parametrize(
    ("written", "canonical"),
    [("203.0.113.7", "203.0.113.7"), ("2001:DB8:0:0::1", "2001:db8::1"), ("2001:0db8::0001", "2001:db8::1")],
)
def test_one_address_has_one_spelling(written: str, canonical: str) -> None:
    rendered = SPEC.render({"address": written}, {"set": "blocked"})
    assert rendered.fields == {"ip_set": "blocked", "scope": "regional", "address": canonical}
    target = Target.aws("123456789012", "eu-west-1", "waf-address", written, "regional:blocked")
    assert str(target) == f"aws/123456789012/eu-west-1/waf-address/regional:blocked/{canonical}"
    assert Target.parse(str(target)) == target


@pytest.mark.parametrize(
    "written",
    [
        "0.0.0.0/0",
        "203.0.113.0/24",
        "203.0.113.7/32",
        "203.0.113.007",
        "203.0.113",
        "203.0.113.7:443",
        " 203.0.113.7",
        "203.0.113.7\n",
        "203.0.113.7, 203.0.113.8",
        "fe80::1%eth0",
        "[2001:db8::1]",
        "١٢٧.0.0.1",
        "3405803783",
        "0xcb007107",
        "localhost",
        "{{ labels.other }}",
    ],
)
def test_whatever_is_not_one_address_is_no_target(written: str) -> None:
    with pytest.raises(TargetUndeterminedError):
        SPEC.render({"address": written}, {"set": "blocked"})
    with pytest.raises(InvalidTargetError):
        Target.aws("123456789012", "eu-west-1", "waf-address", written, "regional:blocked")


def test_a_set_has_a_name_that_waf_takes() -> None:
    with pytest.raises(TargetUndeterminedError, match="IP set"):
        SPEC.render({"address": "203.0.113.7"}, {"set": "a:b"})

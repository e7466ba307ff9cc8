import json
import subprocess
from datetime import UTC, datetime

from remediator.alerts.payload import parse
from remediator.drills.demo_serving import curl_line
from remediator.sandbox.fingerprints import fingerprint


def test_the_printed_command_sends_one_alert_that_begins_now_under_its_true_fingerprint() -> None:
    # A stand-in for curl prints what follows -d, so that the shell does the quoting.
    script = 'curl() { while [ "$1" != -d ]; do shift; done; printf %s "$2"; }\n' + curl_line("http://x", "token")
    body = subprocess.run(["sh", "-c", script], capture_output=True, check=True, timeout=10).stdout
    assert json.loads(body)["version"] == "4"
    delivery = parse(body)
    [alert] = delivery.alerts
    assert delivery.rejected == ()
    assert alert.firing
    assert alert.fingerprint == fingerprint(alert.labels)
    assert abs((datetime.now(UTC) - alert.starts_at).total_seconds()) < 60


def test_no_line_of_it_is_wider_than_a_terminal() -> None:
    assert max(map(len, curl_line("http://127.0.0.1:65535", "0" * 32).splitlines())) <= 80

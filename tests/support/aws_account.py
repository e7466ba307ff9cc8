"""Settings by which a service of ours has the simulated AWS as its account."""

from pathlib import Path
from typing import Any

from remediator.sandbox.aws.cloud import ACCOUNT, REGION
from remediator.sandbox.world import World

_KEY = "AKIAREMEDIATOR"


def account_settings(world: World, directory: Path, *targets: str) -> dict[str, Any]:
    """Changes for ``tests.support.service.running``: alerts of its source belong to the account, where these targets may be changed."""
    file = directory / "aws.credentials"
    file.write_text(f"[default]\naws_access_key_id = {_KEY}\naws_secret_access_key = sandbox\n")
    account = {
        "id": ACCOUNT,
        "regions": [REGION],
        "targets": list(targets),
        "credentials_file": str(file),
        "endpoint_url": world.aws.url,
        "loopback_only": True,
    }
    return {
        "accounts": {"main": account},
        "sources__default__account": "main",
        "sources__default__region": REGION,
        # A loaded machine reads botocore's models for seconds; a read that is given up is asked again half a minute later.
        "timings__request": "15s",
        "timings__lease": "45s",
    }

"""Whose credential it is: nothing is read or changed in an account other than the one that settings name (S1).

A profile or role of the wrong account would find the same names there, and change them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from remediator.clock import Clock

if TYPE_CHECKING:
    from remediator.clients.aws.api import AwsApi

_GOOD_FOR_S: Final = 3600.0
"""The standard chain may find another credential some day: a file that was replaced, a role that was changed."""


class Identity:
    """Of the credential of one account and region. Everybody may ask AWS who they are."""

    def __init__(self, api: "AwsApi", clock: Clock, renewed: Callable[[], int]) -> None:
        """``renewed`` tells another credential from the one that was asked about."""
        self._api = api
        self._clock = clock
        self._renewed = renewed
        self._known: tuple[float, str, str] | None = None
        self._known_of = 0

    async def arn(self) -> str:
        """Who it is. Raises FactsMissingError where AWS does not say so."""
        return (await self._look())[2]

    async def foreign(self) -> str | None:
        """Why the credential is the wrong one; None where it is of our account. Raises FactsMissingError where AWS does not say."""
        _, account, arn = await self._look()
        if account == self._api.account:
            return None
        return f"the credential is {arn} of account {account}, and settings say {self._api.account}"

    async def _look(self) -> tuple[float, str, str]:
        now_s = self._clock.boottime()
        if self._known is None or now_s - self._known[0] >= _GOOD_FOR_S or self._known_of != self._renewed():
            self._known, asked_of = None, self._renewed()
            said = await self._api.who_am_i()
            self._known = (now_s, str(said.get("Account", "nobody")), str(said.get("Arn", "")))
            self._known_of = asked_of
        return self._known

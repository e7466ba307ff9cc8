"""Why an operator's order was not carried out. Nothing was changed by any of these; each has its own answer at the API."""

from remediator.errors import RemediatorError


class UnknownIdError(RemediatorError):
    """There is no such thing: 404."""


class NoEffectError(RemediatorError):
    """The order came too late or says nothing new: 409, with why it does nothing (S34)."""


class InvalidOrderError(RemediatorError):
    """The order cannot be understood: 400. Names the field and what is accepted there."""

    def __init__(self, field: str, message: str, accepted: str = "") -> None:
        self.field = field
        self.message = message
        self.accepted = accepted
        super().__init__(f"{field}: {message}" + (f"; accepted: {accepted}" if accepted else ""))

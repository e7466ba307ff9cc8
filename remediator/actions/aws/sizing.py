"""How many: the parameters that every change of a size takes, and the number that comes of them."""

from typing import Self

from pydantic import Field, model_validator

from remediator.actions.base import ActionParams


class SizeParams(ActionParams):
    """Exactly one of ``to`` and ``by``. The latter needs the bound that it moves towards."""

    to: int | None = Field(None, ge=0, le=10_000, description="the number to have")
    by: int | None = Field(None, ge=-100, le=100, description="so many more; negative: fewer")
    max_size: int | None = Field(
        None, gt=0, le=10_000, description="never more than this; required for a positive `by`"
    )
    min_size: int | None = Field(
        None, ge=0, le=10_000, description="never fewer than this; required for a negative `by`"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.to is None) == (self.by is None):
            raise ValueError("accepted: exactly one of to and by")
        if self.by == 0:
            raise ValueError("by: 0 changes nothing; accepted: a number below or above 0")
        accepted = None if self.by is None else "max_size" if self.by > 0 else "min_size"
        said = f"by: {self.by}" if self.by is not None else f"to: {self.to}"
        for name in ("max_size", "min_size"):
            if (getattr(self, name) is not None) != (name == accepted):
                why = f"{said} needs {name}" if name == accepted else f"{name} has no meaning here; leave it out"
                raise ValueError(why)
        return self

    def wanted(self, now: int) -> int:
        """From so many to how many; never against the direction that is given."""
        if self.by is None:
            return now if self.to is None else self.to
        if self.max_size is not None:
            return max(min(now + self.by, self.max_size), now)
        return min(max(now + self.by, self.min_size or 0), now)

    @property
    def bound(self) -> str:
        """For a sentence about a size that may not get further."""
        bound = self.max_size if self.max_size is not None else self.min_size
        return "" if bound is None else f" (the playbook's bound is {bound})"

    @property
    def grows(self) -> bool | None:
        """None for ``to``, which says no direction."""
        return None if self.by is None else self.by > 0

"""What lines of import files have in common. Unknown keys are ignored; an absent value is None."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from dateutil.parser import isoparse
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
INTEGER = 2**31 - 1


def moment(value: Any) -> datetime:
    """YYYY, YYYY-MM, a day or RFC 3339 as its first instant, in UTC. Raises ValueError."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not re.match(r"^\d{4}(-\d\d(-\d\d([T ].*)?)?)?$", value):
        raise ValueError("a date is YYYY, YYYY-MM, YYYY-MM-DD or RFC 3339")
    try:
        found = isoparse(value)
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"not a date: {error}") from error
    if not EARLIEST <= found <= datetime.now(UTC).replace(year=datetime.now(UTC).year + 1, day=1):
        raise ValueError("a date lies between 1970 and a year from now")
    return found


def text(longest: int) -> Any:
    """Text without NUL, cut at its longest: a limit of ours loses an end, never a line."""
    return Annotated[str, StringConstraints(pattern=r"^[^\x00]*$"), AfterValidator(lambda value: value[:longest])]


Moment = Annotated[datetime, BeforeValidator(moment)]
Count = Annotated[int, Field(ge=0, le=INTEGER)]


class Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

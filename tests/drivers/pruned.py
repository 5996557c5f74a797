"""Values as JSON, as the wire files hold them: without what is empty, and so without what is usual."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

EMPTY: Collection[object] = (None, "", [], {})
EMPTY_OR_FALSE: Collection[object] = (*EMPTY, False)


def pruned(value: Any, empty: Collection[object] = EMPTY) -> Any:
    """Dicts lose the members that are ``empty``; a named tuple is a dict, a time its ISO form."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    match value:
        case dict():
            inner = {key: pruned(member, empty) for key, member in value.items()}
            return {key: member for key, member in inner.items() if member not in empty}
        case list() | tuple():
            return [pruned(member, empty) for member in value]
        case datetime():
            return value.isoformat()
    return value

"""What is not as it was: which decisions must be made again."""

from __future__ import annotations

from collections import defaultdict

from twofold.history.boundary import Criterion, Mark, Selection, marks_of


class Changes:
    """What is not as it was: the tags of the events, by the marks that they are filed under."""

    def __init__(self) -> None:
        self._tags: defaultdict[Mark, set[tuple[str, ...]]] = defaultdict(set)

    def __bool__(self) -> bool:
        """Tell whether anything was noted."""
        return bool(self._tags)

    def add(self, type_: str, tags: tuple[str, ...]) -> None:
        """Note an event that came unseen, or that was seen and did not come."""
        for mark in marks_of(type_, tags):
            self._tags[mark].add(tags)

    def touch(self, selection: Selection) -> bool:
        """Tell whether an event that was noted belongs to a selection."""
        return any(self._touch(criterion) for criterion in selection.criteria)

    def _touch(self, criterion: Criterion) -> bool:
        if not criterion.types:
            return True
        place = min(criterion.places, key=lambda marks: sum(len(self._tags.get(mark, ())) for mark in marks))
        return any(criterion.takes(mark[0], tags) for mark in place for tags in self._tags.get(mark, ()))

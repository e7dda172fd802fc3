"""Mistakes that a ledger may make, each planted in the plain one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from twofold.history.ledger import LedgerEntry, LedgerSearch, Prunable
from twofold.history.store import Decision, Rejection
from twofold.testing.contracts.reference import Reference

replace = msgspec.structs.replace


class OnlyAccepted(Reference):
    def enter(self, decision: Decision) -> None:
        if decision.rejection is None:
            super().enter(decision)


class FailuresAreRejections(Reference):
    def enter(self, decision: Decision) -> None:
        why = decision.rejection
        super().enter(replace(decision, rejection=why and Rejection(why.code, why.reason)))


class FailuresClaim(Reference):
    def store(self, decision: Decision) -> None:
        failed = decision.rejection is not None and decision.rejection.failed
        entries = len(self.entries)
        super().store(replace(decision, rejection=None) if failed else decision)
        if failed:
            del self.entries[entries:]
            self.enter(decision)


class Entering(Reference):
    """Lets a mistake change what is entered."""

    def enter(self, decision: Decision) -> None:
        super().enter(decision)
        self.entries[-1] = self.written(self.entries[-1], decision)

    def written(self, entry: LedgerEntry, decision: Decision) -> LedgerEntry:
        return entry


class FirstIsLast(Entering):
    def written(self, entry: LedgerEntry, decision: Decision) -> LedgerEntry:
        return replace(entry, first=entry.last)


class NoEventsLookLikeOne(Entering):
    def written(self, entry: LedgerEntry, decision: Decision) -> LedgerEntry:
        return replace(entry, first=min(entry.first, entry.last))


class NoCause(Entering):
    def written(self, entry: LedgerEntry, decision: Decision) -> LedgerEntry:
        return replace(entry, causation_id=entry.command_id)


class AttemptsAlwaysOne(Entering):
    def written(self, entry: LedgerEntry, decision: Decision) -> LedgerEntry:
        return replace(entry, attempts=1)


class FingerprintOfThePayloadAlone(Entering):
    def written(self, entry: LedgerEntry, decision: Decision) -> LedgerEntry:
        bare = Reference()
        bare.enter(replace(decision, submission=replace(decision.submission, type="")))
        return replace(entry, fingerprint=bare.entries[0].fingerprint)


class KeepsSecrets(Entering):
    def written(self, entry: LedgerEntry, decision: Decision) -> LedgerEntry:
        return replace(entry, payload=decision.submission.payload)


class KeepsReasons(Entering):
    def written(self, entry: LedgerEntry, decision: Decision) -> LedgerEntry:
        return replace(entry, reason=decision.rejection and decision.rejection.reason)


class ConflictsEntered(Reference):
    def answer(self, decision: Decision, *more: Any) -> Any:
        outcome = super().answer(decision, *more)
        if type(outcome).__name__ == "Conflict":
            self.enter(replace(decision, events=()))
        return outcome


class Searching(Reference):
    """Lets a mistake change what is looked for."""

    def ledger(self, search: LedgerSearch, after: int | None, newest: bool, limit: int) -> list[LedgerEntry]:
        return super().ledger(self.meant(search), after, newest, limit)

    def meant(self, search: LedgerSearch) -> LedgerSearch:
        return search


class FirstTagOnly(Searching):
    def meant(self, search: LedgerSearch) -> LedgerSearch:
        return replace(search, tags=search.tags[:1])


class NoNameIsAnyName(Searching):
    def meant(self, search: LedgerSearch) -> LedgerSearch:
        return replace(search, principal=search.principal or None)


class AnyOutcome(Searching):
    def meant(self, search: LedgerSearch) -> LedgerSearch:
        return replace(search, outcome=None)


class AnyTime(Searching):
    def meant(self, search: LedgerSearch) -> LedgerSearch:
        return replace(search, since=None, until=None)


class OneTenant(Searching):
    def meant(self, search: LedgerSearch) -> LedgerSearch:
        return replace(search, tenant="")


class FirstTypeOnly(Searching):
    def meant(self, search: LedgerSearch) -> LedgerSearch:
        return replace(search, types=search.types[:1])


class TagsAsText(Reference):
    def ledger(self, search: LedgerSearch, after: int | None, newest: bool, limit: int) -> list[LedgerEntry]:
        found = super().ledger(replace(search, tags=()), after, newest, 1_000)
        return [each for each in found if all(tag in " ".join(each.tags) for tag in search.tags)][:limit]


class LastPositionOnly(Reference):
    def ledger(self, search: LedgerSearch, after: int | None, newest: bool, limit: int) -> list[LedgerEntry]:
        found = super().ledger(search, after, newest, limit)
        return [each for each in found if search.position in (None, each.last)]


class CorrelationOfOthersOnly(Reference):
    def ledger(self, search: LedgerSearch, after: int | None, newest: bool, limit: int) -> list[LedgerEntry]:
        found = super().ledger(search, after, newest, limit)
        return [each for each in found if search.correlation_id != each.command_id]


class AlwaysNewest(Reference):
    def ledger(self, search: LedgerSearch, after: int | None, newest: bool, limit: int) -> list[LedgerEntry]:
        return super().ledger(search, after, True, limit)


class AfterIncluded(Reference):
    def ledger(self, search: LedgerSearch, after: int | None, newest: bool, limit: int) -> list[LedgerEntry]:
        beyond = after if after is None else after + (1 if newest else -1)
        return super().ledger(search, beyond, newest, limit)


class LimitBeforeSearch(Reference):
    def ledger(self, search: LedgerSearch, after: int | None, newest: bool, limit: int) -> list[LedgerEntry]:
        page = super().ledger(LedgerSearch(tenant=search.tenant), after, newest, limit)
        wanted = super().ledger(search, after, newest, 1_000)
        return [each for each in page if each in wanted]


class PrunesTheYoung(Reference):
    def prune(self, what: Prunable, before: datetime, after: int, limit: int) -> int | None:
        return super().prune(what, before + timedelta(days=9), after, limit)


class PrunesAllThatIsOld(Reference):
    """Goes on behind an entry that is too young."""

    def prune(self, what: Prunable, before: datetime, after: int, limit: int) -> int | None:
        return super().prune(what, before + timedelta(seconds=1), after, limit)


class PrunesTheNewest(Reference):
    def prune(self, what: Prunable, before: datetime, after: int, limit: int) -> int | None:
        pruned = super().prune(what, before, after, limit)
        if pruned is None and what != "contents" and self.entries and self.entries[-1].recorded_at < before:
            pruned = self.entries[-1].entry if self.entries[-1].entry > after else None
            self.entries = self.entries if pruned is None else self.entries[:-1]
        return pruned


class PrunesWithoutLimit(Reference):
    def prune(self, what: Prunable, before: datetime, after: int, limit: int) -> int | None:
        return super().prune(what, before, after, 1_000)


class KeepsThePayload(Reference):
    def remove(self, entry: LedgerEntry, what: Prunable) -> None:
        if what != "contents":
            super().remove(entry, what)


class ForgetsIncidents(Reference):
    def remove(self, entry: LedgerEntry, what: Prunable) -> None:
        super().remove(entry, what)
        if what == "contents":
            place = [each.entry for each in self.entries].index(entry.entry)
            self.entries[place] = replace(self.entries[place], reason=None)


class ForgetsKeysToo(Reference):
    def remove(self, entry: LedgerEntry, what: Prunable) -> None:
        super().remove(entry, what)
        if what == "contents":
            self.accepted.pop((entry.tenant, entry.principal, entry.command_id), None)


class ClaimsStay(Reference):
    def remove(self, entry: LedgerEntry, what: Prunable) -> None:
        accepted = dict(self.accepted)
        super().remove(entry, what)
        self.accepted = accepted


class RefusalsTakeAll(Reference):
    def remove(self, entry: LedgerEntry, what: Prunable) -> None:
        super().remove(entry, what)
        if what == "refusals":
            self.entries = [each for each in self.entries if each.outcome != "accepted"]

"""Every error that Twofold raises, as one tree.

    TwofoldError
    ├── DeclarationError        an application is declared wrongly            declaration
    ├── InvalidMessage          a command, query or event does not validate   invalid_message
    ├── UnknownMessage          no command or query of that name              unknown_message
    ├── Rejected                a command handler decided against it          the handler's own code
    ├── ChangedSince            its boundary is not as the sender knew it     changed_since
    ├── CommandIdReused         one command id, two different commands        command_id_reused
    ├── StillRunning            the first of a repeated command is at work    still_running
    ├── Contended               other writers won every retry                 contended
    ├── TimedOut                it was not decided by the sender's deadline   timed_out
    ├── Overloaded              the queue of waiting commands is full         overloaded
    ├── TooManyWatchers         as many watch queries as there may be         too_many_watchers
    ├── UnknownPosition         the history has not reached that position     unknown_position
    ├── NoPast                  a query that cannot be asked of the past      no_past
    ├── NotFresh                a read model did not get that far in time     not_fresh
    ├── HandlerFailed           a handler raised what it should not           handler_failed
    ├── StatementFailed         a handler's own SQL was refused               statement_failed
    ├── InvalidFilter           a view was asked by a field it has not        invalid_filter
    ├── InvalidCursor           a page's cursor is not one that was given     invalid_cursor
    ├── NodeClosed              the node is not open                          node_closed
    ├── CannotBlock             a call that waits, in an event loop's thread  cannot_block
    ├── RoleMissing             the node does not run that side               role_missing
    ├── ProjectionStopped       a projection cannot go on                     projection_stopped
    ├── TooManyParked           more keys are parked than its limit allows    too_many_parked
    ├── CannotRetry             parked events cannot be applied after all     cannot_retry
    ├── CannotRebuild           a read model cannot be rebuilt now            cannot_rebuild
    ├── CannotVerify            a read model cannot be compared row by row    cannot_verify
    ├── NotBuilt                a read model is still to be built             not_built
    ├── InvalidSetting          a setting of a node cannot be used            invalid_setting
    ├── MissingExtra            an optional dependency is not installed       missing_extra
    ├── CannotListen            a server cannot have its address or port      cannot_listen
    └── StoreError              the storage engine cannot do its work         store_error
        ├── InvalidAddress      the storage URL is not understood             invalid_address
        ├── StoreUnavailable    a file or folder cannot be opened or written  store_unavailable
        ├── ForeignFile         the file is not Twofold's, or is damaged      foreign_file
        ├── NotInitialized      the database has no schema of Twofold's yet   not_initialized
        ├── NewerSchema         written by a newer version of Twofold         newer_schema
        ├── UnsafeSqlite        this SQLite can corrupt a shared database     unsafe_sqlite
        ├── HistoryMismatch     read models that belong to another history    history_mismatch
        ├── NoTransactions      the engine keeps no tables of handlers' own   no_transactions
        ├── StoreFull           no space is left; nothing was stored          store_full
        ├── StoreBusy           other processes held the lock too long        store_busy
        ├── StoreFailed         input/output failed; nothing was stored       store_failed
        └── OutcomeUnknown      it cannot be told whether it was stored       outcome_unknown

Each carries a stable `code`, its `facts` as attributes, and a message made from them that says what was
expected, what was found and what to do. HTTP statuses are decided in `twofold.http`, nowhere else.
"""

from __future__ import annotations

from typing import Any, ClassVar


class TwofoldError(Exception):
    """The root of every error of Twofold.

    `code` is stable and made for programs; `str(error)` is made for people; `facts` holds what the message
    was made from, by name, and never holds a payload or a secret.
    """

    code: str = "twofold_error"
    _template: ClassVar[str] = "{message}"

    def __init__(self, message: str | None = None, /, **facts: Any) -> None:
        self.facts = facts
        super().__init__(message if message is not None else self._template.format(**facts))

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("facts", {})
        if name in facts:
            return facts[name]
        raise AttributeError(f"{type(self).__name__} has no fact {name!r}; it has {sorted(facts)}")


class DeclarationError(TwofoldError):
    """A handler, message or model is declared wrongly. Facts: `what`, `where`, `mend`."""

    code = "declaration"
    _template = "{what} ({where})\n  mend: {mend}"


class InvalidMessage(TwofoldError):
    """A message does not fit its declaration. Facts: `message`, `field` (may be empty), `problem`."""

    code = "invalid_message"
    _template = "{message}: {problem}"


class UnknownMessage(TwofoldError):
    """No command or query has this name. Facts: `kind`, `name`, `known`."""

    code = "unknown_message"
    _template = "there is no {kind} named {name!r}; this application has: {known}"


class Rejected(TwofoldError):
    """Raise it in a command handler to decide against the command. Nothing is appended.

    Args:
        code: stable, for programs: `already_registered`.
        reason: for people; the code with spaces when left out.
        facts: anything else that a client should know, as JSON-able keyword arguments.

    Two rejections with one code are equal where either gives no reason, so that a test can name the code alone.
    """

    code = "rejected"

    def __init__(self, code: str, reason: str = "", /, **facts: Any) -> None:
        self.reason = reason or code.replace("_", " ")
        self._explained = bool(reason)
        super().__init__(self.reason, **facts)
        self.code = code

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rejected):
            return NotImplemented
        if self.code != other.code:
            return False
        return self.reason == other.reason or not (self._explained and other._explained)

    def __hash__(self) -> int:
        return hash(self.code)

    def __repr__(self) -> str:
        return f"Rejected({self.code!r}, {self.reason!r})" if self._explained else f"Rejected({self.code!r})"


class ChangedSince(TwofoldError):
    """What a command rests on is not as its sender knew it. Facts: `command`, `expected`, `position`.

    `position` is that of the first event after `expected` which belongs to the command's boundary.
    """

    code = "changed_since"
    _template = (
        "what {command} rests on has changed since position {expected}, by the event at position {position}; "
        "nothing was stored, look at it again and decide anew"
    )


class CommandIdReused(TwofoldError):
    """The command id was used before, with another payload. Facts: `command_id`, `position`."""

    code = "command_id_reused"
    _template = (
        "command id {command_id} was used before for another command (its events reached position {position}); "
        "send a new command under a new id, or repeat the first one unchanged"
    )


class StillRunning(TwofoldError):
    """A command of this id is being decided, and its repeat was not to wait. Facts: `command_id`."""

    code = "still_running"
    _template = "the command {command_id} is still being decided; repeat it in a moment to get its receipt"


class Contended(TwofoldError):
    """Other processes changed the boundary at every try. Facts: `command`, `attempts`."""

    code = "contended"
    _template = (
        "{command} was decided {attempts} times and each time another process had changed what it rests on; "
        "nothing was stored, send it again"
    )


class TimedOut(TwofoldError):
    """A command was given up at its sender's deadline, before it was decided.

    Facts: `command`, `timeout` in seconds, `command_id`. Of this sending nothing is stored; what an
    earlier one under the same id stored stays.
    """

    code = "timed_out"
    _template = (
        "{command} was not decided within {timeout:g} s and was given up; send it again under the same command id"
    )


class Overloaded(TwofoldError):
    """Too many commands wait already. Facts: `waiting`, `limit`."""

    code = "overloaded"
    _template = "{waiting} commands wait already (limit {limit}); nothing was stored, try again shortly"


class TooManyWatchers(TwofoldError):
    """As many watch queries on this node as there may be. Facts: `watchers`, `limit`."""

    code = "too_many_watchers"
    _template = "{watchers} watch queries on this node already (limit {limit}); ask instead, or watch on another node"


class UnknownPosition(TwofoldError):
    """The history has not reached a position that was asked for. Facts: `position`, `head`."""

    code = "unknown_position"
    _template = "there is no position {position}: the history ends at {head}"


class NoPast(TwofoldError):
    """A query as of the past asks for what only the present has. Facts: `model`, `problem`."""

    code = "no_past"
    _template = "view of {model} as of the past: {problem}; ask without `as_of`, or let the query ask by key"


class NotFresh(TwofoldError):
    """A read model did not reach the wanted position in time. Facts: `model`, `wanted`, `reached`, `timeout`.

    `wanted` is what was asked for and `reached` what was there, both as positions; where a lag was given, it is a fact
    too, `max_lag`.
    """

    code = "not_fresh"
    _template = (
        "read model {model} had reached position {reached} after {timeout:g} s, asked for was {wanted}; "
        "ask again, give a longer timeout, or see `twofold models` for its lag"
    )


class HandlerFailed(TwofoldError):
    """A handler raised an unexpected error or returned what it must not. Facts: `handler`, `problem`, `incident`.

    The cause is chained and logged under `incident`; the client is told only the incident.
    """

    code = "handler_failed"
    _template = "{handler} failed: {problem} (incident {incident}); nothing was stored"


class StatementFailed(TwofoldError):
    """A statement on a handler's own tables was refused; its transaction stores nothing. Facts: `problem`."""

    code = "statement_failed"
    _template = "the statement was refused: {problem}"


class InvalidFilter(TwofoldError):
    """A view was asked with a field or value that it cannot use. Facts: `model`, `problem`."""

    code = "invalid_filter"
    _template = "view of {model}: {problem}"


class InvalidCursor(TwofoldError):
    """A cursor was not given out by this query's order. Facts: `model`, `problem`."""

    code = "invalid_cursor"
    _template = "view of {model}: {problem}; pass the `next` of an earlier page of the same order, unchanged"


class NodeClosed(TwofoldError):
    """The node has not been opened, or is closed already."""

    code = "node_closed"
    _template = "the node is not open; use `async with app.open(url) as node:` and send inside the block"


class CannotBlock(TwofoldError):
    """A method of `Node.sync` was called in a thread in which an event loop runs. Facts: `call`."""

    code = "cannot_block"
    _template = (
        "sync.{call}() waits, and an event loop runs in this thread, which would stand still; await the node's own "
        "method instead, or call it in another thread: `await asyncio.to_thread(…)`"
    )


class RoleMissing(TwofoldError):
    """The node was opened without the role that this call needs. Facts: `role`, `roles`."""

    code = "role_missing"
    _template = "this node runs {roles}, which leaves out {role!r}; open it with that role, or ask another node"


class ProjectionStopped(TwofoldError):
    """A projection met an error that no single row is to blame for. Facts: `model`, `position`, `problem`."""

    code = "projection_stopped"
    _template = "the projection of {model} stopped at position {position}: {problem}"


class TooManyParked(TwofoldError):
    """More keys of a read model would be parked than it allows, so its projection stops. Facts: `model`, `limit`."""

    code = "too_many_parked"
    _template = (
        "more than {limit} keys of read model {model} would be parked, so its projection stops before that; "
        "see `twofold models parked` for what failed and mend it, or raise max_parked= of the class"
    )


class CannotRetry(TwofoldError):
    """Parked events cannot be taken up, or given up. Facts: `model`, `problem`."""

    code = "cannot_retry"
    _template = "parked events of read model {model}: {problem}"


class CannotRebuild(TwofoldError):
    """A read model was not rebuilt; nothing was changed in what is live. Facts: `model`, `problem`."""

    code = "cannot_rebuild"
    _template = "read model {model} was not rebuilt: {problem}"


class CannotVerify(TwofoldError):
    """A read model with SQL of its own cannot be compared with a shadow. Facts: `model`, `problem`."""

    code = "cannot_verify"
    _template = "read model {model} was not verified: {problem}"


class NotBuilt(TwofoldError):
    """A read model was never built as it is defined now. Facts: `model`, `doing`."""

    code = "not_built"
    _template = (
        "read model {model} is not built yet as it is defined now, so there is nothing to {doing}; "
        "run a node that projects, and see `twofold models` for its lag"
    )


class InvalidSetting(TwofoldError):
    """A setting that a node was opened with cannot be used. Facts: `setting`, `problem`."""

    code = "invalid_setting"
    _template = "{setting}=: {problem}"


class MissingExtra(TwofoldError):
    """An optional dependency is not installed. Facts: `feature`, `extra`."""

    code = "missing_extra"
    _template = "{feature} needs packages that are not installed; run: pip install 'twofold[{extra}]'"


class CannotListen(TwofoldError):
    """A server cannot listen on its address. Facts: `host`, `port`, `problem`."""

    code = "cannot_listen"
    _template = "cannot listen on {host}:{port}: {problem}; choose another port, or stop what listens there"


class StoreError(TwofoldError):
    """The root of what storage engines raise."""

    code = "store_error"


class InvalidAddress(StoreError):
    """The storage URL is not one that an engine knows. Facts: `address` (without secrets), `problem`."""

    code = "invalid_address"
    _template = "{address!r} is no storage address: {problem}"


class StoreUnavailable(StoreError):
    """A file or folder cannot be opened, made or written. Facts: `path`, `problem`."""

    code = "store_unavailable"
    _template = "cannot use {path}: {problem}"


class ForeignFile(StoreError):
    """The file is not one that Twofold wrote, or it is damaged. Facts: `path`, `problem`."""

    code = "foreign_file"
    _template = "{path} is not a Twofold file, or it is damaged: {problem}; nothing was changed in it"


class NotInitialized(StoreError):
    """A database lacks Twofold's schema or roles, or has older ones. Facts: `path`, `problem`."""

    code = "not_initialized"
    _template = "{path} is not ready: {problem}; as its administrator run: twofold db init URL"


class NewerSchema(StoreError):
    """A file or database was written by a newer Twofold. Facts: `path`, `found`, `known`."""

    code = "newer_schema"
    _template = (
        "{path} has schema version {found}, this Twofold knows versions up to {known}; "
        "upgrade Twofold, nothing was changed"
    )


class UnsafeSqlite(StoreError):
    """This SQLite has the WAL-reset bug. Facts: `found`, `needed`."""

    code = "unsafe_sqlite"
    _template = (
        "SQLite {found} can corrupt a database that two connections write; {needed} or newer is needed: "
        "pip install --upgrade apsw"
    )


class HistoryMismatch(StoreError):
    """Read models were projected from another history, or from a longer one. Facts: `model`, `problem`."""

    code = "history_mismatch"
    _template = (
        "read model {model} does not belong to this history: {problem}; restore the history that it was made from, "
        "or delete the read models' file to project them anew"
    )


class NoTransactions(StoreError):
    """Handlers ask for tables of their own, which the history's engine does not keep. Facts: `address`, `handlers`."""

    code = "no_transactions"
    _template = (
        "{handlers} asks for a Transaction, and {address} keeps no tables of handlers' own; "
        "open the application on SQLite or PostgreSQL"
    )


class StoreFull(StoreError):
    """The disk is full; nothing was stored. Facts: `path`."""

    code = "store_full"
    _template = "no space is left for {path}; nothing was stored, free some space and send again"


class StoreBusy(StoreError):
    """Other processes held the write lock for too long. Facts: `path`, `waited`."""

    code = "store_busy"
    _template = "{path} was locked by another process for {waited:.1f} s; nothing was stored, send again"


class StoreFailed(StoreError):
    """Input or output failed and nothing was stored. Facts: `path`, `problem`."""

    code = "store_failed"
    _template = "{path}: {problem}; nothing was stored"


class OutcomeUnknown(StoreError):
    """It cannot be told whether the command, or what else was asked, was stored.

    Facts: `path`, `problem`, and from a node `command_id`.
    """

    code = "outcome_unknown"
    _template = (
        "{path}: {problem}; it is unknown whether what was asked was stored: "
        "repeat a command under the same command id, that has one effect"
    )

"""Twofold: CQRS and event sourcing for Python. One history, two folds.

Every public name of the package is listed here; the rest is private. `twofold.testing`, `twofold.http` and
`twofold.errors` are public modules of their own.
"""

from twofold.app import App
from twofold.context import Context, Principal, Receipt
from twofold.errors import NotFresh, Rejected, TwofoldError
from twofold.history.ledger import LedgerEntry
from twofold.history.transaction import Transaction
from twofold.message import Command, Event, Metadata, Occurred, Query
from twofold.model import Delete, ReadModel, WriteModel
from twofold.node import ModelStatus, Node
from twofold.read.answer import Answer
from twofold.read.comparison import Compared, Difference
from twofold.read.parking import ParkedKey, Retried
from twofold.read.range import Range
from twofold.read.rebuild import Rebuilt
from twofold.read.transaction import BatchTransaction
from twofold.read.view import Found, View
from twofold.session import Session, SyncSession
from twofold.sync import SyncNode
from twofold.tag import Hashed, Tag
from twofold.write.around import Proceed
from twofold.write.causation import Causation
from twofold.write.preview import Preview

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "App",
    "BatchTransaction",
    "Causation",
    "Command",
    "Compared",
    "Context",
    "Delete",
    "Difference",
    "Event",
    "Found",
    "Hashed",
    "LedgerEntry",
    "Metadata",
    "ModelStatus",
    "Node",
    "NotFresh",
    "Occurred",
    "ParkedKey",
    "Preview",
    "Principal",
    "Proceed",
    "Query",
    "Range",
    "ReadModel",
    "Rebuilt",
    "Receipt",
    "Rejected",
    "Retried",
    "Session",
    "SyncNode",
    "SyncSession",
    "Tag",
    "Transaction",
    "TwofoldError",
    "View",
    "WriteModel",
]

"""The help pages of an application's own commands and queries, made from their declarations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Annotated, Any

import cyclopts
import msgspec

from twofold.cli.fields import Field, fields_of
from twofold.cli.output import visible
from twofold.cli.status import CommandLineError
from twofold.wire import name_of


def named(kinds: Iterable[type[msgspec.Struct]]) -> dict[str, type[msgspec.Struct]]:
    """Return message classes by name, in the order of their names."""
    return {name_of(kind): kind for kind in sorted(kinds, key=name_of)}


def documentation_of(kind: type[msgspec.Struct], handler: Callable[..., Any] | None) -> str:
    """Return what a message or model is for: its docstring, or its handler's where it has none of its own."""
    own = vars(kind).get("__doc__")
    return inspect.cleandoc(own or (handler.__doc__ if handler else None) or "")


def print_messages(prefix: str, messages: dict[str, str]) -> None:
    """Print which messages there are, with the first line of each one's documentation."""
    if not messages:
        raise CommandLineError(f"`{prefix}`: the application declares none")
    from twofold.cli.terminal import Terminal

    page = _page(prefix)
    for name, documentation in messages.items():
        page.command(_with_fields((), documentation), name=name)
    page.usage = f"Usage: {prefix} NAME field=value …"
    page.help_print([], console=Terminal())


def print_message(prefix: str, kind: type[msgspec.Struct], documentation: str, reserved: Collection[str]) -> None:
    """Print a message's documentation and its fields: types, constraints, defaults.

    Args:
        prefix: what comes before the fields on the command line.
        kind: the message.
        documentation: what it is for.
        reserved: the command's own options; a field of such a name is given as `field=value` only.
    """
    fields = fields_of(kind)
    from twofold.cli.terminal import Terminal

    page = _page(prefix)
    page.default(_with_fields(fields, documentation, reserved))
    words = [f"{f.name}=…" if f.required else f"[{f.name}=…]" for f in fields]
    page.usage = " ".join(["Usage:", prefix, *words])
    page.help_print([], console=Terminal())


def _page(name: str) -> cyclopts.App:
    return cyclopts.App(
        name=name,
        help_flags=[],
        version_flags=[],
        help_format="plaintext",
        group_parameters=cyclopts.Group("Fields", sort_key=0),
        group_commands=cyclopts.Group("Names", sort_key=0),
    )


def _with_fields(fields: Iterable[Field], documentation: str, reserved: Collection[str] = ()) -> Callable[..., None]:
    def message(**values: Any) -> None: ...

    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.required else None,
            annotation=Annotated[str, _parameter(field, reserved)],
        )
        for field in fields
    ]
    message.__doc__ = visible(documentation)
    message.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    message.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return message


def _parameter(field: Field, reserved: Collection[str]) -> cyclopts.Parameter:
    told = [field.help.rstrip("."), ", ".join([field.type, *field.constraints])]
    if field.name in reserved:
        told.append(f"Give it as {field.name}=…, --{field.name} is an option of this command")
    default = visible(_default_text(field))
    return cyclopts.Parameter(
        name=f"--{field.name.replace('_', '-')}",
        help=visible(". ".join(part for part in told if part)),
        metavar="JSON" if field.as_json else "VALUE",
        show_default=(lambda _: default) if default else False,
        negative=(),
    )


def _default_text(field: Field) -> str:
    if field.default is msgspec.UNSET:
        return ""
    value = msgspec.json.decode(bytes(field.default))
    return value if isinstance(value, str) and value else bytes(field.default).decode()

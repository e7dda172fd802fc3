"""What comes in is a message that comes back from storage as it is; all else is refused, and the field is named."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from tests.messages.everything import MESSAGES, Everything, Named, Part, anything
from twofold import Principal, wire
from twofold.errors import InvalidMessage

NAN, INFINITY = float("nan"), float("inf")


# What is wrong, the field that must be named, and a word of the problem.
BAD_VALUES: list[tuple[dict[str, Any], str, str]] = [
    ({"real": NAN}, "real", "float"),
    ({"real": INFINITY}, "real", "float"),
    ({"maybe_real": -INFINITY}, "maybe_real", "finite"),
    ({"reals": [1.0, NAN]}, "reals[1]", "float"),
    ({"anything": NAN}, "anything", "finite"),
    ({"anything": {"a": [1, INFINITY]}}, "anything.a[1]", "finite"),
    ({"parts": [Part("a"), Part("b", NAN)]}, "parts[1].value", "finite"),
    ({"amount": Decimal("NaN")}, "amount", "finite"),
    ({"amount": Decimal("sNaN")}, "amount", "finite"),
    ({"amount": Decimal("-Infinity")}, "amount", "finite"),
    ({"text": "a\0b"}, "text", "U+0000"),
    ({"names": {"a": "\0"}}, "names.a", "U+0000"),
    ({"names": {"a\0": "b"}}, r"names.'a\x00'", "U+0000"),
    ({"anything": [{"a": ["\0"]}]}, "anything[0].a[0]", "U+0000"),
    ({"anything": {"a": {"\0": 1}}}, r"anything.a.'\x00'", "U+0000"),
    ({"parts": [Part("a\0")]}, "parts[0].name", "U+0000"),
    ({"pair": (1, "\0")}, "pair[1]", "U+0000"),
    ({"text": "\ud800"}, "text", "surrogate"),
    ({"text": "a\udfff"}, "text", "surrogate"),
    ({"names": {"a": "\ud800"}}, "names.a", "surrogate"),
    ({"names": {"\ud800": "a"}}, r"names.'\ud800'", "surrogate"),
    ({"parts": [Part("a"), Part("\udc00")]}, "parts[1].name", "surrogate"),
    ({"anything": {"a": [1, "\ud834"]}}, "anything.a[1]", "surrogate"),
    ({"integer": 2**63}, "integer", "64 bits"),
    ({"integer": -(2**63) - 1}, "integer", "64 bits"),
    ({"integer": 10**400}, "integer", "64 bits"),
    ({"real": 2**63}, "real", "64 bits"),
    ({"ids": frozenset({2**64})}, "ids[0]", "64 bits"),
    ({"few": [0, 2**65]}, "few[1]", "64 bits"),
    ({"pair": (2**63, "")}, "pair[0]", "64 bits"),
    ({"mixed": 2**63}, "mixed", "64 bits"),
    ({"anything": 2**63}, "anything", "64 bits"),
    ({"anything": {"a": [-(2**63) - 1]}}, "anything.a[0]", "64 bits"),
    ({"parts": [Part("a", {"b": 2**64})]}, "parts[0].value.b", "64 bits"),
    ({"text": 5}, "text", "Expected `str`, got `int`"),
    ({"text": None}, "text", "Expected `str`, got `null`"),
    ({"integer": True}, "integer", "Expected `int`, got `bool`"),
    ({"integer": 1.0}, "integer", "Expected `int`, got `float`"),
    ({"integer": "1"}, "integer", "Expected `int`, got `str`"),
    ({"boolean": 1}, "boolean", "Expected `bool`, got `int`"),
    ({"colour": "blue"}, "colour", "blue"),
    ({"choice": "c"}, "choice", "'c'"),
    ({"part": {"name": 1}}, "part.name", "Expected `str`, got `int`"),
    ({"parts": [Part("a"), Part(1)]}, "parts[1].name", "Expected `str`, got `int`"),  # type: ignore[arg-type]
    ({"pair": (1,)}, "pair", "length 2"),
    ({"pair": [1, ""]}, "pair", "expected tuple, found list"),
    ({"anything": (1, 2)}, "anything", "expected list, found tuple"),
    ({"anything": {1: 2}}, "anything", "cannot hold"),
    ({"anything": ...}, "anything", "unsupported"),
    ({"moment": datetime(2000, 1, 1, tzinfo=timezone(timedelta(seconds=1)))}, "moment", "cannot hold"),
    ({"short": ""}, "short", "length >= 1"),
    ({"short": "longer"}, "short", "length <= 5"),
    ({"word": "Word"}, "word", "matching"),
    ({"small": -1}, "small", ">= 0"),
    ({"small": 10}, "small", "<= 9"),
    ({"few": [1, 2, 3]}, "few", "length <= 2"),
]


def said(case: Any) -> str:
    return ascii(case)[:50] if isinstance(case, dict) else ""


@pytest.mark.parametrize(("fields", "field", "problem"), BAD_VALUES, ids=said)
def test_a_bad_value_is_refused_and_its_field_named(fields: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        wire.checked(Everything(**fields))
    assert refused.value.message == "Everything"
    assert refused.value.field == field
    assert problem in refused.value.problem
    assert refused.value.problem.startswith(f"{field}: ")
    # It can be logged and sent, whatever the value held.
    str(refused.value).encode()


def test_a_value_that_is_nested_too_deeply_is_refused_and_its_field_named() -> None:
    deep: list[Any] = []
    deep.append(deep)
    with pytest.raises(InvalidMessage) as refused:
        wire.checked(Everything(anything=deep))
    assert refused.value.field == "anything"
    assert "nested too deeply" in refused.value.problem


BAD_JSON: list[tuple[bytes | str, str, str]] = [
    (b"", "", "truncated"),
    (b'{"name"', "", "truncated"),
    (b"not json", "", "malformed"),
    (b'{"name":"a"} {}', "", "trailing"),
    (b"\xef\xbb\xbf{}", "", "malformed"),
    (b"[]", "", "Expected `object`, got `array`"),
    (b"null", "", "Expected `object`, got `null`"),
    (b"{}", "name", "missing required field `name`"),
    (b'{"name":"a","others":1}', "others", "unknown field `others`"),
    (b'{"name":1}', "name", "Expected `str`, got `int`"),
    (b'{"name":"a","other":1.5}', "other", "Expected `int`, got `float`"),
    (b'{"name":"a","other":18446744073709551616}', "other", "64 bits"),
    (b'{"name":"a","other":' + b"9" * 5_000 + b"}", "other", "out of range"),
    (b'{"name":"\\u0000"}', "name", "U+0000"),
    (b'{"name":"\\ud800"}', "name", "surrogate"),
    (b'{"name":"\\udc00 b"}', "name", "surrogate"),
    (b'{"name":"\xed\xa0\x80"}', "name", "surrogate"),
    ('{"name":"\ud800"}', "name", "surrogate"),
    (b'{"name":"\xff"}', "", "not valid Unicode"),
    (b'{"name":NaN}', "name", "finite"),
    (b'{"name":"a","other":-Infinity}', "other", "finite"),
    (b'{"name":"a","other":1e999}', "other", "Number out of range"),
    (b'{"name":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "name", "Expected `str`, got `array`"),
]


@pytest.mark.parametrize(("payload", "field", "problem"), BAD_JSON, ids=lambda case: ascii(case)[:40])
def test_bad_json_is_refused_and_the_field_named_where_there_is_one(
    payload: bytes | str, field: str, problem: str
) -> None:
    with pytest.raises(InvalidMessage) as refused:
        wire.decode(Named, payload)
    assert (refused.value.message, refused.value.field) == ("Named", field)
    assert problem in str(refused.value)
    str(refused.value).encode()


@pytest.mark.parametrize("inside", [b"1", b'"\\u0000"', b"99999999999999999999", b'"\\ud800"'])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_json_that_is_too_deep_is_refused(opening: bytes, closing: bytes, inside: bytes) -> None:
    depth = 200_000
    with pytest.raises(InvalidMessage) as refused:
        wire.decode(Everything, b'{"anything":' + opening * depth + inside + closing * depth + b"}")
    assert "nested too deeply" in str(refused.value)


@pytest.mark.parametrize("depth", [100, 500, 900, 2_000])
def test_bad_values_are_found_however_deep_they_are(depth: int) -> None:
    for bad, problem in ((b'"\\u0000"', "U+0000"), (b"99999999999999999999", "64 bits")):
        with pytest.raises(InvalidMessage) as refused:
            wire.decode(Everything, b'{"anything":' + b"[" * depth + bad + b"]" * depth + b"}")
        assert problem in str(refused.value) or "nested too deeply" in str(refused.value)
        assert len(refused.value.field) < 300


def test_decimals_from_outside_are_finite() -> None:
    for text in ("NaN", "sNaN", "Infinity", "-Infinity"):
        with pytest.raises(InvalidMessage) as refused:
            wire.decode(Everything, b'{"amount":"%s"}' % text.encode())
        assert refused.value.field == "amount"
    assert wire.decode(Everything, b'{"text":"Infinity","anything":"-Infinity"}').text == "Infinity"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"text":"\\\\u0000"}', Everything(text="\\u0000")),
        (b'{"text":"\\ud834\\udd1e"}', Everything(text="\U0001d11e")),
        (b'{"integer":9223372036854775807}', Everything(integer=2**63 - 1)),
        (b'{"integer":-9223372036854775808}', Everything(integer=-(2**63))),
        (b'{"text":"99999999999999999999"}', Everything(text="99999999999999999999")),
        (b'{"real":1e300,"maybe_real":1}', Everything(real=1e300, maybe_real=1.0)),
        (b'{"anything":{"a":[1,null,"\xc3\xa9"]}}', Everything(anything={"a": [1, None, "é"]})),
        (b'{"amount":"1.50"}', Everything(amount=Decimal("1.50"))),
    ],
)
def test_values_at_the_edge_are_taken(payload: bytes, expected: Everything) -> None:
    assert wire.decode(Everything, payload) == expected
    assert wire.decode(Everything, wire.checked(expected)) == expected


@given(MESSAGES)
def test_messages_come_back_as_they_are(message: Everything) -> None:
    payload = wire.checked(message)
    assert wire.decode(Everything, payload) == message
    assert wire.read_back(Everything, payload) == message
    assert wire.decode(Everything, payload.decode()) == message


@given(MESSAGES)
def test_messages_come_back_from_their_fields(message: Everything) -> None:
    fields = json.loads(wire.checked(message))
    assert wire.convert(Everything, fields) == message


@settings(max_examples=200)
@given(anything)
def test_any_json_is_a_message_or_refused(content: Any) -> None:
    with contextlib.suppress(InvalidMessage):
        message = wire.decode(Everything, msgspec.json.encode(content))
        assert wire.read_back(Everything, wire.checked(message)) == message


def test_fields_may_be_given_as_text_where_asked_for() -> None:
    fields = {"integer": "7", "boolean": "true", "amount": "1.5", "text": "7"}
    found = wire.convert(Everything, fields, from_text=True)
    assert (found.integer, found.boolean, found.amount, found.text) == (7, True, Decimal("1.5"), "7")
    with pytest.raises(InvalidMessage) as refused:
        wire.convert(Everything, fields)
    assert refused.value.field in fields


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"integer": "x"}, "integer"),
        ({"integer": str(2**64)}, "integer"),
        ({"text": "\0"}, "text"),
        ({"text": "\ud800"}, "text"),
        ({"real": "nan"}, "real"),
        ({"nosuch": "1"}, "nosuch"),
    ],
)
def test_bad_text_is_refused_and_the_field_named(fields: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        wire.convert(Everything, fields, from_text=True)
    assert refused.value.field == field


@pytest.mark.parametrize("name", ["a\x00b", "\ud800"])
def test_a_principal_whose_name_no_database_holds_is_refused(name: str) -> None:
    with pytest.raises(InvalidMessage):
        Principal(name)

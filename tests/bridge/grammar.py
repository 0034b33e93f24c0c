"""Hypothesis strategies for what strangers send: well formed mostly, and wrong in its values."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from pythonosc.osc_message_builder import OscMessageBuilder

from bridge.osc.schema import IN_ROWS
from bridge.settings.parameters import PARAMETERS

FUZZ = settings(
    max_examples=int(os.environ.get("GRAMMAR_EXAMPLES", "250")),
    deadline=None,
    derandomize="GRAMMAR_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""The same few inputs each time; others, and as many as told, where the environment says so."""

WORDS = (
    *("", "²/4", "٣/٤", "4/4", "0/0", "1e400", "nan", "-0", "Am7", "C/Q", "♯", "\x00", "\x1b[2J"),
    *(
        "../../etc/passwd",
        "fixture",
        "hymn",
        "off",
        "999999999999999999999",
        "C E G",
        "\u202e",
        "bb",
    ),
)
texts = (
    st.sampled_from(WORDS) | st.text(max_size=30) | st.text("0123456789/²٣ ABCDEFGmb#", max_size=9)
)
floats = st.floats(width=32) | st.sampled_from((0.5, 12.73, -1.0, 3.4e38))
integers = st.integers(-(2**31), 2**31 - 1) | st.integers(-2, 130)
addresses = st.sampled_from([row.address for row in IN_ROWS]) | st.builds(
    lambda word: f"/diffuse/{word}", st.text("abcdefgh_/#*?[]{}", max_size=12)
)
arguments = st.lists(
    st.tuples(st.just("i"), integers)
    | st.tuples(st.just("f"), floats)
    | st.tuples(st.just("s"), texts.map(lambda text: text.replace("\x00", "")))
    | st.tuples(st.just("b"), st.binary(min_size=1, max_size=8))
    | st.tuples(st.sampled_from("TFN"), st.none()),
    max_size=4,
)


def packet(address: str, given: list[tuple[str, object]]) -> bytes:
    """One message."""
    builder = OscMessageBuilder(address)
    for tag, value in given:
        builder.add_arg(value, tag)  # type: ignore[arg-type]
    return bytes(builder.build().dgram)


packets = st.builds(packet, addresses, arguments)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(each):08x}" for each in value) + '"'
    if isinstance(value, list):
        return f"[{', '.join(_toml(each) for each in value)}]"
    return str(value)


values = st.recursive(
    integers
    | texts.filter(lambda text: not any(0xD800 <= ord(each) < 0xE000 for each in text))
    | st.booleans()
    | st.floats(allow_nan=True)
    | st.integers(0, 10**60),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
names = st.sampled_from([*(row.name for row in PARAMETERS), "temprature", "model", "preset"])


def _preset(model: object, settings: dict[str, object], more: dict[str, object]) -> str:
    lines = [f"{name} = {_toml(each)}" for name, each in {"model": model, **more}.items()]
    given = [f"{name} = {_toml(each)}" for name, each in settings.items()]
    return "\n".join([*lines, "[settings]", *given])


presets = st.builds(
    _preset,
    st.just("fixture") | values,
    st.dictionaries(names, values, max_size=5),
    st.dictionaries(st.sampled_from(["description", "tempo", "x"]), values, max_size=2),
)

midi = st.tuples(
    st.integers(0x80, 0xFF), st.integers(0, 130), st.integers(0, 130)
) | st.sampled_from([(0xF8,), (0xFA,), (0xFB,), (0xFC,), (0xF2, 5, 1), (0xFE,), (0x90,), ()])

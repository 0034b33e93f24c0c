from __future__ import annotations

from pathlib import Path

import pytest

from bridge.engine_host.main import warm_up_request
from bridge.engine_host.wire import pack_request
from bridge.engine_link.address import LinkError, server_address
from bridge.engine_link.wire import (
    ASK,
    FIXTURE_DIGEST,
    WireError,
    digest_of,
    pack_ask,
    unpack_ask,
)
from engine.requests.request import SampleSettings


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef\n")
    return file


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("wss://studio:9000", "studio:9000"),
        ("studio", "studio:8443"),
        ("wss://192.168.1.5/", "192.168.1.5:8443"),
    ],
)
def test_a_server_is_named_by_host_and_port(url: str, name: str, token: Path) -> None:
    address = server_address(url, token, None)
    assert (address.name, address.token) == (name, "0123456789abcdef")
    assert address.token not in repr(address)


@pytest.mark.parametrize(
    "url",
    ["ws://studio", "https://studio", "wss://", "wss://a:x", "wss://a/b", "wss://me:it@studio"],
)
def test_nothing_but_tls_and_no_secrets_in_the_url(url: str, token: Path) -> None:
    with pytest.raises(LinkError, match="--engine"):
        server_address(url, token, None)


@pytest.mark.parametrize("text", ["", "short", "with a space in it", "ünïcödeünïcöde"])
def test_a_token_is_one_long_word(text: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(LinkError, match="token"):
        server_address("studio", tmp_path / "token", None)


def test_a_missing_token_or_certificate_is_told(tmp_path: Path, token: Path) -> None:
    with pytest.raises(LinkError, match="--engine-token-file"):
        server_address("studio", None, None)
    with pytest.raises(LinkError, match="--engine-ca"):
        server_address("studio", token, tmp_path / "none.pem")


def test_an_ask_is_a_request_with_its_time_and_model() -> None:
    request = warm_up_request(SampleSettings())
    ask = unpack_ask(pack_ask(request, FIXTURE_DIGEST, 250_900_000))
    assert (ask.digest, ask.left_ns) == (digest_of("fixture"), 250_000_000)
    assert ask.request == pack_request(request)
    assert unpack_ask(pack_ask(request, FIXTURE_DIGEST, -5)).left_ns == 0


@pytest.mark.parametrize("frame", [b"", b"A", ASK + bytes(30), b"Q" + bytes(60), ASK * 200_000])
def test_what_is_no_ask_is_refused(frame: bytes) -> None:
    with pytest.raises(WireError):
        unpack_ask(frame)

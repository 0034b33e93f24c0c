from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from bridge.engine_link.address import LinkError, read_token
from bridge.engine_server.credentials import (
    CredentialError,
    Credentials,
    make_missing,
    own_names,
    public_name,
)


def test_what_is_missing_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    made = make_missing(folder, ["studio", "127.0.0.1"])
    assert len(read_token(made.token)) >= 40
    for file in (made.token, made.key):
        assert file.stat().st_mode & 0o077 == 0
    before = [file.read_bytes() for file in (made.token, made.certificate, made.key)]
    again = make_missing(folder, ["elsewhere"])
    assert [file.read_bytes() for file in (again.token, again.certificate, again.key)] == before


def test_players_can_take_the_certificate_for_their_ca(tmp_path: Path) -> None:
    made = make_missing(tmp_path, ["studio", "127.0.0.1"])
    (shown,) = ssl.create_default_context(cafile=made.certificate).get_ca_certs()
    assert shown["subjectAltName"] == (("DNS", "studio"), ("IP Address", "127.0.0.1"))
    made.tls()


def test_a_wrong_file_is_told_in_one_line(tmp_path: Path) -> None:
    made = make_missing(tmp_path, ["studio"])
    made.key.write_text("nothing")
    with pytest.raises(CredentialError, match=r"key\.pem"):
        Credentials(made.token, made.certificate, made.key).tls()
    made.token.write_text("short")
    with pytest.raises(LinkError, match="at least 16"):
        make_missing(tmp_path, ["studio"])


def test_the_certificate_names_the_address_that_is_listened_on() -> None:
    assert "192.168.7.7" in own_names("192.168.7.7")
    assert {"localhost", "127.0.0.1"} <= set(own_names("0.0.0.0"))


def test_what_players_are_told_to_type_is_in_the_certificate_and_leads_here() -> None:
    assert public_name("192.168.7.7") == "192.168.7.7"
    for wide in ("0.0.0.0", "::"):
        assert public_name(wide) not in ("0.0.0.0", "::", "127.0.0.1")
        assert public_name(wide) in own_names(wide)

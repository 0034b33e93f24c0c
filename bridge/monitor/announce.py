"""Tells the network that OSCQuery is served here, by zeroconf (extra `discovery`; LGPL)."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
from collections.abc import AsyncIterator, Iterable
from importlib.util import find_spec

SERVICE = "_oscjson._tcp.local."
NAME = "midi-diffuse"
_EVERYWHERE = "0.0.0.0"
_log = logging.getLogger("midi-diffuse")


def addresses(host: str, hosts: Iterable[str]) -> list[str]:
    """Return the IPv4 addresses that clients may use: the one served at, or those that are
    allowed."""
    return [each for each in (hosts if host == _EVERYWHERE else (host,)) if _is_address(each)]


@contextlib.asynccontextmanager
async def announced(port: int, at: Iterable[str]) -> AsyncIterator[None]:
    """Announce `port` at these addresses while the body runs.

    Without zeroconf, without addresses, or where the system says no, nothing is announced.
    """
    found = list(at)
    if not found or find_spec("zeroconf") is None:
        yield
        return
    from zeroconf import Error, IPVersion
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    info = AsyncServiceInfo(SERVICE, f"{NAME}.{SERVICE}", port=port, parsed_addresses=found)
    try:
        announcer = AsyncZeroconf(interfaces=found, ip_version=IPVersion.V4Only)
    except OSError as err:
        _log.warning("OSCQuery is not announced (%s)", err)
        yield
        return
    try:
        with contextlib.suppress(Error):  # not unique, or closing
            await announcer.async_register_service(info, allow_name_change=True)
        yield
    finally:
        await announcer.async_unregister_all_services()
        await announcer.async_close()


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True

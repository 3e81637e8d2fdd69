"""Let a web server's name lead to this machine only where it did so from the start.

Whoever owns a name may let it stand for a public address first and for this machine, or for the
service that hands a cloud machine its passwords, a moment later (DNS rebinding). Owns that check:
the addresses that pass are the ones that are connected to, since the session asks nobody else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, TCPConnector
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import DefaultResolver

if TYPE_CHECKING:
    import socket

    from aiohttp.abc import ResolveResult

_lock = threading.Lock()
_public: set[str] = set()
"""Names that stood for another machine once in this process."""


class LedAstray(PermissionError):
    """A name that stood for another machine stands for this one now, or for the link's own."""


class CheckedResolver(AbstractResolver):
    """Resolve names as the system does, and leave out addresses that they must not lead to."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily | int = 0
    ) -> list[ResolveResult]:
        """Return the addresses of a name that may be connected to.

        Raises:
            LedAstray: none of them may.
        """
        found = await self._inner.resolve(host, port, family)  # type: ignore[arg-type]
        return permitted(host, found)

    async def close(self) -> None:
        """Close the resolver that is asked."""
        await self._inner.close()


def permitted(host: str, found: list[ResolveResult]) -> list[ResolveResult]:
    """Return those of a name's addresses that it may lead to.

    Raises:
        LedAstray: none of them may.
    """
    name = host.rstrip(".").lower()
    outside = [one for one in found if not _is_inner(one["host"])]
    with _lock:
        if outside:
            _public.add(name)
        may_be_here = name not in _public
    here = [one for one in found if may_be_here and _is_loopback(one["host"])]
    if found and not outside and not here:
        addresses = ", ".join(sorted({one["host"] for one in found}))
        raise LedAstray(f"{host} leads to {addresses}, where it must not lead from elsewhere")
    return outside or here


async def checked_session(**options: Any) -> ClientSession:
    """Return a session whose names are checked, as fsspec asks for one."""
    loop = options.get("loop") or asyncio.get_running_loop()
    return ClientSession(connector=TCPConnector(resolver=CheckedResolver(), loop=loop), **options)


def _is_inner(address: str) -> bool:
    """Return whether it is this machine's own, or of its link, where cloud passwords are told."""
    plain = _plain(address)
    return plain.is_loopback or plain.is_link_local or plain.is_unspecified


def _is_loopback(address: str) -> bool:
    return _plain(address).is_loopback


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an address; IPv4 in the clothes of IPv6 is IPv4."""
    plain = ipaddress.ip_address(address.partition("%")[0])
    return getattr(plain, "ipv4_mapped", None) or plain

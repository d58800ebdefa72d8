"""Archives from the net: only from hosts that an operator allowed, only to the address that was checked.

Every hop of a redirect passes the same checks. A name is resolved once and the connection goes to that address, so
that a name which answers otherwise a moment later leads nowhere else.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, urljoin, urlsplit

from django.conf import settings

from lunatasks.errors import SourceRefused

MOST_REDIRECTS = 3
TIMEOUT = 10.0
"""Seconds that a connection, or the next block, may take."""
BLOCK = 2**18

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NET_ERRORS = (OSError, http.client.HTTPException, UnicodeError)
_UNICAST = ipaddress.ip_network("2000::/3")
_MOVED = (301, 302, 303, 307, 308)


class Sink(Protocol):
    """Where the bytes go."""

    def write(self, data: bytes, /) -> int:
        """All of the data."""
        ...


@dataclass(frozen=True, slots=True)
class Allowed:
    """Names of hosts, and networks whose addresses may be used though they are not public."""

    hosts: frozenset[str]
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    def permits_host(self, host: str) -> bool:
        """Whether a URL may name the host."""
        address = _as_address(host)
        return host in self.hosts if address is None else self._is_listed(address)

    def permits_address(self, address: Address) -> bool:
        """Whether a connection may go there."""
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        if mapped is not None:
            address = mapped
        return self._is_listed(address) or _is_public(address)

    def _is_listed(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def allowed_of_settings() -> Allowed:
    """LUNATASKS_IMPORT_HOSTS: names of hosts, addresses, networks."""
    hosts, networks = set(), []
    for word in settings.LUNATASKS_IMPORT_HOSTS:
        try:
            networks.append(ipaddress.ip_network(word.strip("[]"), strict=False))
        except ValueError:
            hosts.add(word.lower().rstrip("."))
    return Allowed(frozenset(hosts), tuple(networks))


def is_url(reference: str) -> bool:
    """Whether a reference is one of the net, of whatever scheme."""
    return "://" in reference


def download(url: str, sink: Sink, *, allowed: Allowed, most: int, check: Callable[[], None]) -> int:
    """Copy what the URL leads to, at most `most` bytes; how many they were. `check` is called for every block.

    Raises SourceRefused; its text names neither the URL nor an address, which may hold secrets or tell of a network.
    """
    for _ in range(MOST_REDIRECTS + 1):
        parts = _checked(url, allowed)
        connection = _connect(parts, allowed)
        try:
            answer = _ask(connection, parts)
            if answer.status not in _MOVED:
                return _copy(answer, sink, most, check)
            url = urljoin(url, answer.headers.get("Location") or "")
        except _NET_ERRORS as error:
            raise SourceRefused(f"the download failed ({type(error).__name__})") from None
        finally:
            connection.close()
    raise SourceRefused(f"there are more than {MOST_REDIRECTS} redirects")


def _checked(url: str, allowed: Allowed) -> SplitResult:
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise SourceRefused("the URL is none") from None
    if parts.scheme not in ("http", "https"):
        raise SourceRefused("only http and https URLs can be opened")
    if parts.username is not None or parts.password is not None:
        raise SourceRefused("the URL holds a user or password")
    if not host or not allowed.permits_host(host):
        raise SourceRefused("the host of the URL, or one that it redirects to, is not allowed here")
    return parts


def _connect(parts: SplitResult, allowed: Allowed) -> http.client.HTTPConnection:
    host, port = (parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80)
    address = _resolve(host, port, allowed)
    try:
        raw = socket.create_connection((str(address), port), timeout=TIMEOUT)
        if parts.scheme == "https":
            raw = ssl.create_default_context().wrap_socket(raw, server_hostname=host)
    except _NET_ERRORS as error:
        raise SourceRefused(f"the host does not answer ({type(error).__name__})") from None
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    connection.sock = raw
    return connection


def _resolve(host: str, port: int, allowed: Allowed) -> Address:
    """The first address of the host. Raises SourceRefused when one of its addresses may not be used."""
    try:
        found = [
            ipaddress.ip_address(str(place[0]).partition("%")[0])
            for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        ]
    except (OSError, UnicodeError, ValueError):
        raise SourceRefused("the host of the URL is not known") from None
    if not all(allowed.permits_address(address) for address in found):
        raise SourceRefused("the host of the URL has an address that is not public")
    return found[0]


def _ask(connection: http.client.HTTPConnection, parts: SplitResult) -> http.client.HTTPResponse:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Accept-Encoding": "identity", "User-Agent": "lunatasks", "Connection": "close"}
    connection.request("GET", target, headers=headers)
    return connection.getresponse()


def _copy(answer: http.client.HTTPResponse, sink: Sink, most: int, check: Callable[[], None]) -> int:
    if answer.status != 200:
        raise SourceRefused(f"the host answered {answer.status}")
    if answer.length is not None and answer.length > most:
        raise SourceRefused(f"larger than {most} bytes")
    size, give_up = 0, time.monotonic() + settings.LUNATASKS_DEADLINE_SECONDS
    while block := answer.read1(BLOCK):
        check()
        size += len(block)
        if size > most:
            raise SourceRefused(f"larger than {most} bytes")
        if time.monotonic() > give_up:
            raise SourceRefused("the download takes too long")
        sink.write(block)
    if answer.length:
        raise SourceRefused("the download broke off")
    return size


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        # others than these may be translated into private IPv4 addresses (RFC 6052, 4291)
        return address.is_global and address in _UNICAST and address.sixtofour is None
    return address.is_global and not address.is_multicast


def _as_address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None

"""What lies outside the wall for attacks to reach for, and how to see from there that one came through."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Field", "field"]

_ENVIRONMENT_NAME = "CAD_SANDBOX_CONFORMANCE_CANARY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What lies outside the wall for attacks to reach for: a secret, listening sockets, a canary in the environment."""

    folder: Path
    token: str
    tcp: socket.socket
    datagrams: tuple[socket.socket, ...]

    def addresses(self) -> dict[str, str | int]:
        """Name the targets for an attacking program; the token itself is known only to the field's secret."""
        udp, _, _ = self.datagrams
        return {
            "secret": str(self.folder / "secret"),
            "folder": str(self.folder),
            "tcp": self.tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "abstract": f"cad-sandbox-{self.folder.name}",
            "local": str(self.folder / "socket"),
            "token": f"breach-{self.folder.name}",
            "link": str(self.folder / "link"),
        }

    def breaches(self) -> list[str]:
        """Say what got through, seen from outside."""
        found = []
        with contextlib.suppress(BlockingIOError):
            self.tcp.accept()[0].close()
            found.append("a TCP connection came in")
        for listener in self.datagrams:
            with contextlib.suppress(BlockingIOError):
                listener.recv(64)
                found.append(f"a datagram came in at {listener.getsockname()!r}")
        strange = {path.name for path in self.folder.iterdir()} ^ {"secret", "socket", "link"}
        if strange:
            found.append(f"the folder outside was changed: {sorted(strange)}")
        elif (self.folder / "secret").stat().st_mode & 0o777 != 0o600:
            found.append("the secret's mode was changed")
        for shared in ("/dev/shm", tempfile.gettempdir()):
            if os.path.exists(os.path.join(shared, str(self.addresses()["token"]))):
                found.append(f"a file was left in {shared}")
        return found


@contextlib.contextmanager
def field() -> Iterator[Field]:
    """Lay out a field and clear it away afterwards."""
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="field-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        secret = folder / "secret"
        secret.write_text(token)
        secret.chmod(0o600)
        (folder / "link").symlink_to(f"/{token}")
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp, abstract, local = (
            stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            for family in (socket.AF_INET, socket.AF_UNIX, socket.AF_UNIX)
        )
        udp.bind(("127.0.0.1", 0))
        abstract.bind(f"\0cad-sandbox-{folder.name}")
        local.bind(str(folder / "socket"))
        for listener in (tcp, udp, abstract, local):
            listener.setblocking(False)
        os.environ[_ENVIRONMENT_NAME] = token
        try:
            yield Field(folder=folder, token=token, tcp=tcp, datagrams=(udp, abstract, local))
        finally:
            del os.environ[_ENVIRONMENT_NAME]

"""Real receivers on the loopback: an HTTP server and an SMTP server that keep what they get."""

import datetime as dt
import email
import errno
import json
import socket
import ssl
import threading
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class HttpReceiver:
    """Takes apprise's JSON posts; ``down`` answers 503.

    ``certificate``: it is also a proxy that ends the TLS of any host itself, so that what is meant
    for the servers of Slack or Microsoft comes here; by host in ``posts``.
    """

    def __init__(self, port: int = 0, certificate: Path | None = None) -> None:
        self.messages: list[dict[str, Any]] = []
        self.posts: dict[str, list[dict[str, Any]]] = {}
        self.down = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not receiver.down:
                    receiver.messages.append(json.loads(body))
                    receiver.posts.setdefault(self.headers["Host"], []).append(json.loads(body))
                self.send_response(503 if receiver.down else 200)
                self.end_headers()
                # What Slack answers.
                self.wfile.write(b"ok")

            def do_CONNECT(self) -> None:
                assert certificate is not None, "no proxy"
                self.send_response(200)
                self.end_headers()
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate)
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", buffering=0)
                self.handle_one_request()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.port = self._server.server_address[1]
        self.url = f"json://127.0.0.1:{self.port}/alerts"

    @property
    def titles(self) -> list[str]:
        """The titles of what came, in order."""
        return [message["title"] for message in self.messages]

    def close(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()


def make_certificate(path: Path) -> Path:
    """A certificate that nobody knows, with its key, in a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(certificate.public_bytes(encoding) + key.private_bytes(encoding, *private))
    return path


class _Inbox:
    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.messages.append(email.message_from_bytes(envelope.content))
        return "250 taken"


class MailReceiver:
    """Takes mails by SMTP; ``url``: apprise's for it."""

    def __init__(self) -> None:
        inbox = _Inbox()
        self.messages = inbox.messages
        for attempt in range(3):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            self._controller = Controller(inbox, hostname="127.0.0.1", port=port)
            try:
                self._controller.start()
                break
            except OSError as error:
                # The server has to know its port beforehand; another program took it meanwhile.
                if error.errno != errno.EADDRINUSE or attempt == 2:
                    raise
        self.url = (
            f"mailto://127.0.0.1:{port}?smtp=127.0.0.1&mode=insecure"
            "&from=handoff@example.com&to=ops@example.com"
        )

    def close(self) -> None:
        """Stop taking mails."""
        self._controller.stop()


def part(message: Message, kind: str) -> str:
    """The text of a mail's part of a content type."""
    for piece in message.walk():
        if piece.get_content_type() == kind:
            payload = piece.get_payload(decode=True)
            assert isinstance(payload, bytes)
            return payload.decode("utf-8")
    raise AssertionError(f"no {kind} in the mail")

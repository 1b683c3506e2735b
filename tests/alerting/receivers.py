"""Real receivers on the loopback: an HTTP server and an SMTP server that keep what they get."""

import email
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


class HttpReceiver:
    """Takes apprise's JSON posts; ``down`` answers 503."""

    def __init__(self, port: int = 0) -> None:
        self.messages: list[dict[str, Any]] = []
        self.down = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not receiver.down:
                    receiver.messages.append(json.loads(body))
                self.send_response(503 if receiver.down else 200)
                self.end_headers()

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


class _Inbox:
    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.messages.append(email.message_from_bytes(envelope.content))
        return "250 taken"


@contextmanager
def smtp_receiver(port: int) -> Iterator[list[Message]]:
    """Mails that come to a port."""
    inbox = _Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield inbox.messages
    finally:
        controller.stop()


def part(message: Message, kind: str) -> str:
    """The text of a mail's part of a content type."""
    for piece in message.walk():
        if piece.get_content_type() == kind:
            payload = piece.get_payload(decode=True)
            assert isinstance(payload, bytes)
            return payload.decode("utf-8")
    raise AssertionError(f"no {kind} in the mail")

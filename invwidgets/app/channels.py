"""The websocket between a page and its session, which checks every message before reading it."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.web import HTTPError
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

PROTOCOL = "v1.kernel.websocket.jupyter.org"
MOST_PARTS = 1000  # of a message; the panel's own have fewer than twenty
_LEAST_PARTS = 5  # the channel, header, parent header, metadata and content
_WORD = 8  # bytes of each offset
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


class Channels(VoilaKernelWebsocketHandler):
    """A websocket handler that accepts only pages with the subprotocol ``PROTOCOL``.

    Without a subprotocol jupyter-server uses an older message format. Voila then misreads messages
    with buffers, builds lists of 2**60 numbers, and the server no longer responds.
    """

    def write_message(self, message: Any, binary: bool = False) -> Any:
        """Send a message of the session to the page; drop it if the page has gone."""
        return None if self.ws_connection is None else super().write_message(message, binary)

    async def get(self, kernel_id: str) -> None:
        offered = self.request.headers.get_list("Sec-WebSocket-Protocol")
        if PROTOCOL not in [one.strip() for names in offered for one in names.split(",")]:
            self.log.error(
                "refused a websocket without the subprotocol %s: a proxy must pass the header "
                "Sec-WebSocket-Protocol",
                PROTOCOL,
            )
            raise HTTPError(400, f"give the websocket's subprotocol {PROTOCOL}")
        await super().get(kernel_id)


class WholeMessages(ZMQChannelsWebsocketConnection):
    """A connection that forwards the messages of a page and closes at the first unreadable one.

    Its subprotocol is ``PROTOCOL`` also when the page has gone. jupyter-server then finds none, and
    would write the older format.
    """

    @property
    def subprotocol(self) -> str:
        return PROTOCOL

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Forward a message to the session."""
        try:
            if not is_whole(incoming_msg):
                raise ValueError("its offsets do not fit its length")
            super().handle_incoming_message(incoming_msg)
        except _UNREADABLE:
            self.websocket_handler.close(1007, "a message that cannot be read")


def is_whole(message: Any) -> bool:
    """Whether the offsets in a message are valid: few, ascending, and none beyond its end.

    A message begins with the number of offsets and the offsets, each of eight bytes, little-endian.

    >>> is_whole((2**60).to_bytes(8, "little"))
    False
    """
    if not isinstance(message, bytes) or len(message) < _WORD:
        return False
    count = int.from_bytes(message[:_WORD], "little")
    head = _WORD * (count + 1)
    if not _LEAST_PARTS < count <= MOST_PARTS + 1 or head > len(message):
        return False
    offsets = [
        int.from_bytes(message[at : at + _WORD], "little") for at in range(_WORD, head, _WORD)
    ]
    return [head, *offsets, len(message)] == sorted([head, *offsets, len(message)])

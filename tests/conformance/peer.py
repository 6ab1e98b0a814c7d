"""One half of a session (PROTOCOL.md sections 4 to 6), made from the document alone. It checks all that it receives."""

import os
import select
import socket
import struct
import time

import wire
from wire import Frame, Hello, ProtocolViolation

ESTABLISHED = 1


class Closed(Exception):
    """The other side dropped the transport."""


class Peer:
    def __init__(self, role, connect):
        """`role` is 1 for a guest, 2 for a host; `connect` gives a connected socket."""
        self.role, self._connect = role, connect
        self.socket, self.received = None, bytearray()
        self.hello_fields = {}
        self.acknowledges = True
        self.begin_session()

    # The session: what survives links.

    def begin_session(self):
        self.nonce, self.peer_nonce, self.link_count = os.urandom(16), wire.NOTHING, 0
        self.next_out, self.next_in, self.unacknowledged = 0, 0, []
        self.chain_in, self.chain_acknowledged = 0, 0
        self.streams_in, self.ids = {}, {}
        self.limits, self.given = {}, {}

    # A link.

    def connect(self):
        self.drop()
        self.socket, self.received = self._connect(), bytearray()
        self.epoch, self.peer_epoch, self.peer_hello = os.urandom(16), wire.NOTHING, None
        self.is_established, self.frames = False, []
        self.link_count += 1

    def drop(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def send_bytes(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # What it said before it closed is there to be read; the end is seen behind it.

    def hello(self, **fields):
        """A HELLO as this half would say it now, with other fields where the case wants them."""
        said = dict(role=self.role, flags=ESTABLISHED if self.is_established else 0, epoch=self.epoch, echo=self.peer_epoch,
                    nonce=self.nonce, peer_nonce=self.peer_nonce, link_count=self.link_count, next=self.next_in,
                    chain=self.chain_in)
        said.update(self.hello_fields)
        said.update(fields)
        return Frame(wire.HELLO, sequence=wire.HELLO_SEQUENCE, payload=Hello(**said).encode())

    def send_hello(self, **fields):
        self.send_bytes(self.hello(**fields).encode())

    def _receive(self, until):
        left = until - time.monotonic()
        if left <= 0 or not select.select([self.socket], [], [], left)[0]:
            return False
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        except OSError as error:
            raise Closed(f"receiving: {error}") from error
        if not data:
            raise Closed("the other side closed")
        self.received += data
        return True

    def next_hello(self, seconds):
        """The next HELLO of a handshake, over whatever bytes come before it; None when none comes in time."""
        until = time.monotonic() + seconds
        while True:
            hello, end = wire.find_hello(self.received)
            del self.received[:end]
            if hello is not None:
                return hello
            if not self._receive(until):
                return None

    def establish(self, seconds=5, **fields):
        """The handshake. Gives "new", "resumed", or "lost" when the other side no longer has this half's session."""
        self.hello_fields, self.is_established = fields, False
        self.send_hello()
        until, outcome = time.monotonic() + seconds, "new"
        while True:
            hello = self.next_hello(0.25)
            if hello is None:
                if time.monotonic() > until:
                    raise ProtocolViolation("no HELLO that answers this link came in time")
                self.send_hello()
                continue
            is_new = hello.epoch != self.peer_epoch
            self.peer_epoch = hello.epoch
            if hello.echo != self.epoch:
                if is_new:
                    self.send_hello()
                continue
            if hello.role == self.role:
                raise ProtocolViolation("the other side has the same role")
            if self.peer_nonce not in (wire.NOTHING, hello.nonce) or \
                    (self.peer_nonce == hello.nonce and not self._can_resume(hello)):
                # The former other half is gone: this half starts afresh (section 4, "paired with another").
                self.begin_session()
                self.link_count, outcome = 1, "lost"
                self.send_hello()
                continue
            if hello.peer_nonce not in (wire.NOTHING, self.nonce):
                self.send_hello()
                continue
            if self.peer_nonce == hello.nonce:
                outcome = "resumed"
            self._paired(hello)
            return outcome

    def _can_resume(self, hello):
        oldest = self.unacknowledged[0][0] if self.unacknowledged else self.next_out
        count = (hello.next - oldest) % 2**32
        chain = self.chain_acknowledged
        for _, data in self.unacknowledged[:count]:
            chain = wire.chain_on(chain, data)
        return hello.peer_nonce == self.nonce and count <= len(self.unacknowledged) and hello.chain == chain

    def _paired(self, hello):
        if self.peer_nonce != hello.nonce:
            self.chain_in = self.chain_acknowledged = wire.chain_seed(self.nonce, hello.nonce)
        self.peer_nonce, self.peer_hello, self.is_established = hello.nonce, hello, True
        self._acknowledged(hello.next)
        self.limits.clear()
        self.send_hello()
        for stream, limit in self.given.items():
            self._send_credit(stream, limit)
        for _, data in self.unacknowledged:
            self.send_bytes(data)

    # Frames.

    def send_frame(self, frame, **lies):
        """A frame as the case wants it, outside of the session's counting."""
        self.send_bytes(frame.encode(**lies))

    def send_sequenced(self, kind, stream, payload=b"", flags=0):
        """A frame of the session: it takes the next sequence number and is kept until it is acknowledged."""
        data = Frame(kind, stream, self.next_out, payload, flags).encode()
        self.unacknowledged.append((self.next_out, data))
        self.next_out = (self.next_out + 1) % 2**32
        if self.is_established:
            self.send_bytes(data)

    def new_stream(self, stream_class):
        """An id for a stream that this side opens."""
        number = self.ids[stream_class] = self.ids.get(stream_class, 0) + 1
        return number << 3 | stream_class << 1 | (self.role - 1)

    def receive(self, seconds):
        """The next frame, checked and counted; None when none comes in time."""
        until = time.monotonic() + seconds
        while True:
            decoded = wire.decode(self.received, self.hello_fields.get("largest", 65536))
            if decoded is not None:
                frame, length = decoded
                if frame.is_sequenced:
                    self.chain_in = wire.chain_on(self.chain_in, self.received)
                del self.received[:length]
                self._check(frame)
                return frame
            if not self._receive(until):
                return None

    def _check(self, frame):
        if frame.is_sequenced:
            if frame.sequence != self.next_in:
                raise ProtocolViolation(f"{frame}: sequence {self.next_in:#x} was due")
            self.next_in = (self.next_in + 1) % 2**32
            self._check_stream(frame)
            if self.acknowledges:
                self.send_frame(Frame(wire.ACK, sequence=self.next_in))
            return
        if frame.flags or frame.type not in (wire.CREDIT,) and frame.stream:
            raise ProtocolViolation(f"{frame}: flags or a stream where there are none")
        if frame.type == wire.ACK:
            if frame.payload:
                raise ProtocolViolation(f"{frame}: a payload")
            self._acknowledged(frame.sequence)
        elif frame.type == wire.CREDIT:
            if len(frame.payload) != 8 or frame.sequence:
                raise ProtocolViolation(f"{frame}: not a limit")
            limit, = struct.unpack("<Q", frame.payload)
            if limit > 2**60:
                raise ProtocolViolation(f"{frame}: a limit of {limit}")
            self.limits[frame.stream] = max(limit, self.limits.get(frame.stream, 0))
        elif frame.type == wire.HEARTBEAT and len(frame.payload) != 32:
            raise ProtocolViolation(f"{frame}: not 32 bytes")

    def _check_stream(self, frame):
        """An opener's ids, and no more data than this side's credit allows (sections 5 and 6)."""
        stream_class = frame.stream >> 1 & 3
        if stream_class == 3 or frame.stream >> 3 == 0:
            raise ProtocolViolation(f"{frame}: not a stream's id")
        is_theirs = (frame.stream & 1) != self.role - 1
        if frame.type == wire.OPEN:
            if not is_theirs or frame.stream in self.streams_in:
                raise ProtocolViolation(f"{frame}: an id that is used, or ours")
            self.streams_in[frame.stream] = 0
        elif frame.type == wire.DATA:
            if is_theirs and frame.stream not in self.streams_in:
                raise ProtocolViolation(f"{frame}: never opened")
            spent = self.streams_in[frame.stream] = self.streams_in.get(frame.stream, 0) + frame.cost
            default = (16 << 10, 64 << 10, 1 << 20)[stream_class]
            name = ("credit_control", "credit_rpc", "credit_bulk")[stream_class]
            if spent > max(self.given.get(frame.stream, 0), self.hello_fields.get(name, default)):
                raise ProtocolViolation(f"{frame}: {spent} bytes are above the stream's credit")

    def give(self, stream, limit):
        """Credit for the other side, said again after each resume."""
        self.given[stream] = max(limit, self.given.get(stream, 0))
        self._send_credit(stream, self.given[stream])

    def _send_credit(self, stream, limit):
        self.send_frame(Frame(wire.CREDIT, stream, payload=struct.pack("<Q", limit)))

    def _acknowledged(self, sequence):
        count = 0
        while count < len(self.unacknowledged) and self.unacknowledged[count][0] != sequence:
            count += 1
        if count == len(self.unacknowledged) and sequence != self.next_out:
            raise ProtocolViolation(f"{sequence:#x} is acknowledged; that was not sent")
        for _, data in self.unacknowledged[:count]:
            self.chain_acknowledged = wire.chain_on(self.chain_acknowledged, data)
        del self.unacknowledged[:count]


def dial(path, seconds=10):
    """Connects to a Unix socket as soon as somebody listens there."""
    until = time.monotonic() + seconds
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
            return connection
        except OSError:
            connection.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.02)

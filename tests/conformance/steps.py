"""Plays one case (README.md says what a case may have) against the other side, by a Peer."""

import struct
import time

import wire
from peer import Closed
from wire import Frame, ProtocolViolation

CLASSES = {"control": 0, "rpc": 1, "bulk": 2}


class Failed(Exception):
    """The other side did not do what the case expects."""


def _bytes(value):
    """Bytes as a case writes them: hex, or {"repeat": hex, "count": n}."""
    if isinstance(value, dict):
        return bytes.fromhex(value["repeat"]) * value["count"]
    return bytes.fromhex(value)


def call_header(method, deadline_ms=0, streaming=False):
    """The OPEN's payload of a call (section 10)."""
    name = method.encode()
    return struct.pack("<BBHI", 1 if streaming else 0, len(name), 0, deadline_ms) + name


def codes(frame):
    """What a GOAWAY, a RESET or a status says: code, and scope or class where it has one."""
    is_status = frame.type == wire.DATA and frame.flags == wire.TRAILER | wire.FIN
    if frame.type == wire.RESET:
        return {"code": struct.unpack("<H", frame.payload)[0]}
    if frame.type == wire.GOAWAY:
        code, scope = struct.unpack_from("<HB", frame.payload)
        return {"code": code, "scope": scope}
    if is_status:
        code, error_class = struct.unpack_from("<HB", frame.payload)
        return {"code": code, "class": error_class}
    return {}


class Player:
    def __init__(self, peer):
        self.peer, self.streams, self.seen = peer, {}, []

    def play(self, steps):
        for number, step in enumerate(steps, 1):
            verb = next(iter(step))
            try:
                for _ in range(step.get("times", 1)):
                    getattr(self, "do_" + verb)(step[verb], step)
            except (Closed, Failed, ProtocolViolation) as error:
                raise Failed(f"step {number}, {verb}: {error}") from error

    # The link.

    def do_connect(self, _, step):
        self.peer.connect()

    def do_establish(self, fields, step):
        """With "within_tries" the other side may first seem to agree, as it judges only what it was sent since."""
        for _ in range(step.get("within_tries", 1)):
            outcome = self.peer.establish(**{name: _field(value) for name, value in fields.items()})
            if outcome == step.get("outcome", outcome):
                return
        raise Failed(f"the session is {outcome}; {step['outcome']} was expected")

    def do_hello(self, fields, _):
        self.peer.send_hello(**{name: _field(value) for name, value in fields.items()})

    def do_expect_hello(self, fields, step):
        until = time.monotonic() + step.get("within", 5)
        while True:
            hello = self.peer.next_hello(until - time.monotonic())
            if hello is None:
                raise Failed(f"no HELLO with {fields} came")
            self.peer.peer_epoch = hello.epoch
            if all(getattr(hello, name) == _field(value) for name, value in fields.items()):
                return

    def do_cut(self, _, step):
        self.peer.drop()

    def do_new_session(self, _, step):
        self.peer.begin_session()

    def do_spoil_chain(self, _, step):
        """This half has another history from now on."""
        self.peer.chain_in ^= 1

    def do_acknowledge(self, is_on, _):
        self.peer.acknowledges = is_on

    def do_bytes(self, value, _):
        self.peer.send_bytes(_bytes(value))

    def do_wait(self, milliseconds, _):
        time.sleep(milliseconds / 1000)

    # Frames and calls.

    def do_open(self, name, step):
        """A stream of its own number: {"open": "a", "class": "rpc", "method": ..., "flags": [...]}."""
        stream = self.streams[name] = self.peer.new_stream(CLASSES[step.get("class", "rpc")])
        header = call_header(step["method"], step.get("deadline_ms", 0), step.get("streaming", False)) if "method" in step \
            else _bytes(step.get("payload", ""))
        self.peer.send_sequenced(wire.OPEN, stream, header, _flags(step))

    def do_open_many(self, method, step):
        """So many streams, or so many more than the other side takes; each with an empty request unless "quiet", and reset where "reset" says so."""
        stream_class = step.get("class", "rpc")
        for number in range(step["count"] if "count" in step else getattr(self.peer.peer_hello, f"streams_{stream_class}") + step["over_limit"]):
            self.do_open(f"many-{number}", {**step, "method": method})
            if not step.get("quiet"):
                self.do_data(f"many-{number}", {})
            if step.get("reset"):
                self.do_reset(f"many-{number}", {})

    def do_data(self, name, step):
        self.peer.send_sequenced(wire.DATA, self._stream(name), _bytes(step.get("payload", "")), _flags(step))

    def do_reset(self, name, step):
        self.peer.send_sequenced(wire.RESET, self._stream(name), struct.pack("<H", step.get("code", 304)))

    def do_credit(self, name, step):
        self.peer.give(self._stream(name), step["limit"])

    def do_frame(self, kind, step):
        """Any frame, right or wrong. `sequence` is a number, or how far it is from the next one: "+0", "+1", "-1"."""
        sequence = step.get("sequence", 0)
        if isinstance(sequence, str):
            sequence = (self.peer.next_out + int(sequence)) % 2**32
        frame = Frame(wire.TYPES.get(kind, kind), self._stream(step.get("stream", 0)), sequence, _bytes(step.get("payload", "")),
                      _flags(step), step.get("version", 1))
        self.peer.send_frame(frame, length=step.get("length"), spoil=step.get("spoil"))

    def do_expect(self, kind, step):
        """A frame of this type, with this stream, flags, code, scope, class or payload, among those that came and come."""
        wanted = {name: step[name] for name in ("code", "scope", "class") if name in step}
        for frame in self._frames(step.get("within", 5)):
            if frame.type != wire.TYPES[kind] or "stream" in step and frame.stream != self._stream(step["stream"]):
                continue
            if "flags" in step and frame.flags != _flags(step) or "payload" in step and frame.payload != _bytes(step["payload"]):
                continue
            said = codes(frame)
            if all(said.get(name) == value for name, value in wanted.items()):
                return
            raise Failed(f"{frame} says {said}; {wanted} was expected")
        raise Failed(f"no {kind} with {wanted or step} came; there were {self.seen[-6:]}")

    def do_expect_data(self, name, step):
        """As many bytes of DATA on a stream, pieces and messages together."""
        got, stream = 0, self._stream(name)
        for frame in self._frames(step.get("within", 20)):
            if frame.type == wire.DATA and frame.stream == stream:
                got += len(frame.payload)
                if got >= step["bytes"]:
                    break
        if got < step["bytes"]:
            raise Failed(f"{got} of {step['bytes']} bytes came")

    def do_expect_none(self, kind, step):
        for frame in self._frames(step.get("for", 500) / 1000):
            if frame.type == wire.TYPES[kind]:
                raise Failed(f"{frame} came; none was expected")

    def do_expect_end(self, _, step):
        """The other side drops the transport; what it still sends before is read."""
        try:
            for _ in self._frames(step.get("within", 5)):
                pass
        except Closed:
            return
        raise Failed("the other side keeps the link")

    def do_alive(self, _, step):
        """A call of no method is answered so: the session goes on."""
        self.do_open("alive", {"method": "conformance.Nothing"})
        self.do_data("alive", {"flags": ["FIN"]})
        self.do_expect("DATA", {"stream": "alive", "code": 400, "within": step.get("within", 5)})

    def _frames(self, seconds):
        until = time.monotonic() + seconds
        while True:
            frame = self.peer.receive(until - time.monotonic())
            if frame is None:
                return
            self.seen.append(frame)
            if frame.type == wire.OPEN:
                name = frame.payload[8:].decode("ascii", "replace")
                self.streams[name] = frame.stream
            yield frame

    def _stream(self, name):
        """A stream's id: by the case's own name, by the method that the other side called, or as a number."""
        return self.streams[name] if isinstance(name, str) else name


def _flags(step):
    return sum(wire.FLAGS[flag] if isinstance(flag, str) else flag for flag in step.get("flags", []))


def _field(value):
    return bytes.fromhex(value) if isinstance(value, str) else value

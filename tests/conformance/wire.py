"""The bytes of PROTOCOL.md sections 3, 4 and 8: frames, HELLO, HEARTBEAT. Nothing here knows a socket or a session."""

import struct

HEADER = 24
HELLO_MARK = bytes.fromhex("01010000000000004348414e")
HELLO_SEQUENCE = 0x4E414843

HELLO, GOAWAY, HEARTBEAT, ACK, CREDIT, OPEN, DATA, RESET = 1, 2, 3, 4, 5, 0x10, 0x11, 0x12
TYPES = {"HELLO": HELLO, "GOAWAY": GOAWAY, "HEARTBEAT": HEARTBEAT, "ACK": ACK, "CREDIT": CREDIT,
         "OPEN": OPEN, "DATA": DATA, "RESET": RESET}
NAMES = {number: name for name, number in TYPES.items()}
SEQUENCED = 0x10

MORE, FIN, TRAILER = 1, 2, 4
FLAGS = {"MORE": MORE, "FIN": FIN, "TRAILER": TRAILER}

_TABLE = []
for _value in range(256):
    for _ in range(8):
        _value = (_value >> 1) ^ (0x82F63B78 if _value & 1 else 0)
    _TABLE.append(_value)


def crc32c(data):
    """CRC32C (Castagnoli, RFC 3720 appendix B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


class ProtocolViolation(Exception):
    """The other side sent what PROTOCOL.md does not allow."""


class Frame:
    """One frame. The fields are as they are on the wire, right or wrong, so that wrong ones can be sent."""

    def __init__(self, kind, stream=0, sequence=0, payload=b"", flags=0, version=1):
        self.version, self.type, self.flags = version, kind, flags
        self.stream, self.sequence, self.payload = stream, sequence, payload

    def __repr__(self):
        return (f"{NAMES.get(self.type, hex(self.type))} flags={self.flags} stream={self.stream:#x} "
                f"sequence={self.sequence:#x} payload={len(self.payload)} bytes {self.payload[:24].hex()}")

    def encode(self, length=None, spoil=None):
        """The bytes. `length` lies about the payload's; `spoil` makes one checksum wrong: "header" or "payload"."""
        payload_crc = crc32c(self.payload) if self.payload else 0
        if spoil == "payload":
            payload_crc ^= 1
        head = struct.pack("<BBHIIII", self.version, self.type, self.flags, self.stream, self.sequence,
                           len(self.payload) if length is None else length, payload_crc)
        return head + struct.pack("<I", crc32c(head) ^ (1 if spoil == "header" else 0)) + self.payload

    @property
    def cost(self):
        """What a DATA frame costs of the credit (section 6)."""
        return HEADER + len(self.payload)

    @property
    def is_sequenced(self):
        return bool(self.type & SEQUENCED)


def decode(data, largest):
    """The first frame of the bytes and its length, or None while it is not whole."""
    if len(data) < HEADER:
        return None
    version, kind, flags, stream, sequence, length, payload_crc, header_crc = struct.unpack_from("<BBHIIIII", data)
    if crc32c(data[:HEADER - 4]) != header_crc:
        raise ProtocolViolation(f"a header's checksum is wrong: {bytes(data[:HEADER]).hex()}")
    if version != 1 or kind not in NAMES:
        raise ProtocolViolation(f"version {version}, type {kind:#x}")
    if length > largest:
        raise ProtocolViolation(f"a payload of {length} bytes, above the agreed {largest}")
    if len(data) < HEADER + length:
        return None
    payload = bytes(data[HEADER:HEADER + length])
    if (crc32c(payload) if payload else 0) != payload_crc:
        raise ProtocolViolation("a payload's checksum is wrong")
    return Frame(kind, stream, sequence, payload, flags, version), HEADER + length


_HELLO = struct.Struct("<BBBBI16s16s16s16sIIQIIIIQHHHHQ")
_HELLO_FIELDS = ["lowest", "highest", "role", "flags", "largest", "epoch", "echo", "nonce", "peer_nonce", "link_count", "next",
                 "capabilities", "heartbeat_ms", "credit_control", "credit_rpc", "credit_bulk", "session_credit",
                 "streams_control", "streams_rpc", "streams_bulk", "zero", "chain"]
NOTHING = bytes(16)


class Hello:
    """A HELLO's payload (section 4), by the names of its fields."""

    def __init__(self, **fields):
        self.lowest, self.highest, self.role, self.flags, self.largest = 1, 1, 1, 0, 65536
        self.epoch = self.echo = self.nonce = self.peer_nonce = NOTHING
        self.link_count, self.next, self.capabilities, self.heartbeat_ms = 1, 0, 3, 1000
        self.credit_control, self.credit_rpc, self.credit_bulk, self.session_credit = 16 << 10, 64 << 10, 1 << 20, 16 << 20
        self.streams_control, self.streams_rpc, self.streams_bulk = 16, 128, 8
        self.zero, self.chain = 0, 0
        for name, value in fields.items():
            if name not in _HELLO_FIELDS:
                raise KeyError(f"a HELLO has no field {name}")
            setattr(self, name, value)

    def encode(self):
        return _HELLO.pack(*(getattr(self, name) for name in _HELLO_FIELDS))

    @staticmethod
    def decode(payload):
        if not 128 <= len(payload) <= 1024:
            raise ProtocolViolation(f"a HELLO of {len(payload)} bytes")
        return Hello(**dict(zip(_HELLO_FIELDS, _HELLO.unpack_from(payload))))


def chain_seed(nonce, other):
    """The chain before a session's first frame (section 5)."""
    both = int.from_bytes(nonce, "little") ^ int.from_bytes(other, "little")
    return (both ^ both >> 64) & (2**64 - 1)


def chain_on(chain, frame):
    """The chain with one more frame, by the two checksums in its header."""
    payload_crc, header_crc = struct.unpack_from("<II", frame, 16)
    mixed = (chain ^ payload_crc ^ header_crc << 32) * 0x9E3779B97F4A7C15 % 2**64
    return mixed ^ mixed >> 32


def find_hello(data):
    """The first valid HELLO in the bytes and where the byte behind it is; or None and how many bytes can be dropped."""
    at = 0
    while True:
        at = data.find(HELLO_MARK, at)
        if at < 0:
            return None, max(0, len(data) - len(HELLO_MARK) + 1)
        if len(data) - at < HEADER:
            return None, at
        length, payload_crc, header_crc = struct.unpack_from("<III", data, at + 12)
        if crc32c(data[at:at + 20]) == header_crc and 128 <= length <= 1024:
            if len(data) - at < HEADER + length:
                return None, at
            payload = bytes(data[at + HEADER:at + HEADER + length])
            if crc32c(payload) == payload_crc:
                return Hello.decode(payload), at + HEADER + length
        at += 1


def heartbeat(state=2, sent=1, echo=0):
    """A HEARTBEAT frame (section 8)."""
    return Frame(HEARTBEAT, payload=struct.pack("<BBHIQQQ", state, 0, 0, 0, 0, sent, echo))

"""Leaves out the parts of an ONNX model that nobody asks for: the runtime computes every output it declares."""

from __future__ import annotations

from collections.abc import Collection, Iterator

# Fields of the messages in onnx.proto.
_GRAPH = 7  # of the model
_NODE, _OUTPUT = 1, 12  # of the graph
_NODE_INPUT, _NODE_OUTPUT = 1, 2
_VALUE_NAME = 1
_LENGTH, _WIRE = 2, 7  # wire type of bytes, bits of a key that hold the type


def without_outputs(model: bytes, unwanted: Collection[str]) -> bytes:
    """The model without the outputs of these names and without what only they need.

    Raises ValueError when the model has no such output or is no model.
    """
    try:
        parts = [(number, _pruned(body, unwanted) if number == _GRAPH else raw) for number, raw, body in _fields(model)]
    except IndexError:
        raise ValueError("not an ONNX model") from None
    return b"".join(_field(number, part) if number == _GRAPH else part for number, part in parts)


def _pruned(graph: bytes, unwanted: Collection[str]) -> bytes:
    names = {name.encode() for name in unwanted}
    fields = list(_fields(graph))
    outputs = {next(_texts(body, _VALUE_NAME)) for number, _, body in fields if number == _OUTPUT}
    if not names <= outputs:
        raise ValueError(f"no output {', '.join(sorted(name.decode() for name in names - outputs))}")
    needed = outputs - names
    kept: list[bytes] = []
    for number, raw, body in reversed(fields):  # nodes come in order: those that need a value after its maker
        if number == _NODE:
            if needed.isdisjoint(_texts(body, _NODE_OUTPUT)):
                continue
            needed.update(_texts(body, _NODE_INPUT))
        elif number == _OUTPUT and next(_texts(body, _VALUE_NAME)) in names:
            continue
        kept.append(raw)
    return b"".join(reversed(kept))


def _texts(message: bytes, wanted: int) -> Iterator[bytes]:
    return (body for number, _, body in _fields(message) if number == wanted)


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each field of a protobuf message: its number, all of its bytes, and what it holds (bytes fields only)."""
    at = 0
    while at < len(message):
        start = at
        key, at = _varint(message, at)
        body = b""
        if key & _WIRE == _LENGTH:
            length, at = _varint(message, at)
            body = message[at : at + length]
            at += length
        elif key & _WIRE == 0:
            _, at = _varint(message, at)
        else:
            at += 8 if key & _WIRE == 1 else 4
        if at > len(message):
            raise IndexError
        yield key >> 3, message[start:at], body


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _field(number: int, body: bytes) -> bytes:
    head, length = bytearray([number << 3 | _LENGTH]), len(body)
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    head.append(length)
    return bytes(head) + body

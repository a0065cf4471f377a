"""Image files as cameras, converters and optimisers write them, byte by byte: what Pillow can't or won't write."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

UPSIDE = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[:, ::-1],
}  # how an upright picture lies in a file of each orientation


def pillow(image, format: str, **options) -> bytes:
    """A file as Pillow writes it, of an image or an array."""
    image = Image.fromarray(np.ascontiguousarray(image)) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def exif(orientation: int, order: str = "<") -> bytes:
    """A block of EXIF that says which way is up, and nothing else."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    samples: np.ndarray,
    colour: int,
    bits: int = 8,
    *,
    palette: Sequence[int] = (),
    key: bytes = b"",
    before: bytes = b"",
    after: bytes = b"",
    interlaced: bool = False,
    pieces: int = 1,
) -> bytes:
    """A PNG of integers `[H,W]` or `[H,W,C]`.

    Args:
        samples: as they shall stand in the file.
        colour: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA.
        bits: of a sample.
        palette: R, G, B, R …
        key: content of tRNS.
        before: chunks in front of the pixels.
        after: chunks behind them.
        interlaced: in seven passes.
        pieces: IDAT chunks.
    """
    samples = samples[:, :, None] if samples.ndim == 2 else samples
    height, width = samples.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = [row for top, left, down, across in passes for row in samples[top::down, left::across] if row.size]
    raw = b"".join(b"\0" + packed(row.ravel(), bits) for row in rows)
    data = zlib.compress(raw)
    cut = [data[len(data) * n // pieces : len(data) * (n + 1) // pieces] for n in range(pieces)]
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    middle = chunk(b"PLTE", bytes(palette)) if palette else b""
    middle += chunk(b"tRNS", key) if key else b""
    pixels = b"".join(chunk(b"IDAT", piece) for piece in cut)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + middle + pixels + after + chunk(b"IEND", b"")


def packed(row: np.ndarray, bits: int, order: str = ">") -> bytes:
    """A row of samples, the first bit the greatest, filled up to a whole byte."""
    if bits in (8, 16, 32):
        return row.astype(f"{order}u{bits // 8}").tobytes()
    ones = (row.astype(np.uint32)[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(ones.astype(np.uint8).ravel()).tobytes()


def tiff(*pages: Mapping[str, object] | np.ndarray, order: str = "<", big: bool = False) -> bytes:
    """A TIFF of pages, each an array or the arguments of `page`."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 43 if big else 42)
    head += struct.pack(f"{order}HHQ", 8, 0, 16) if big else struct.pack(f"{order}I", 8)
    file = bytearray(head)
    for number, one in enumerate(pages):
        given = {"samples": one} if isinstance(one, np.ndarray) else dict(one)
        file += _page(len(file), order, big, last=number == len(pages) - 1, **given)
    return bytes(file)


def _page(
    at: int,
    order: str,
    big: bool,
    *,
    last: bool,
    samples: np.ndarray,
    bits: int | None = None,
    photometric: int | None = None,
    planar: bool = False,
    tile: tuple[int, int] | None = None,
    rows: int | None = None,
    compression: int = 1,
    predictor: int = 1,
    fill_order: int = 1,
    extra: Sequence[int] = (),
    tags: Mapping[int, tuple[int, Sequence[int] | bytes]] | None = None,
) -> bytes:
    """A directory first, its values and its pixels behind it. Floats and signed integers by the array's dtype."""
    stack = samples[:, :, None] if samples.ndim == 2 else samples
    height, width, count = stack.shape
    bits = bits or 8 * samples.dtype.itemsize
    kind = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    down, across = tile or (rows or height, width)
    parts = []
    for plane in [stack[:, :, [n]] for n in range(count)] if planar else [stack]:
        for top in range(0, height, down):
            for left in range(0, width, across):
                block = plane[top : top + down, left : left + across]
                if tile:
                    block = np.pad(block, [(0, down - block.shape[0]), (0, across - block.shape[1]), (0, 0)])
                parts.append(_coded(block, bits, order, compression, predictor, fill_order))
    photometric = photometric if photometric is not None else (2 if count >= 3 else 1)
    fields = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits] * count),
        259: (3, [compression]),
        262: (3, [photometric]),
        266: (3, [fill_order]),
        277: (3, [count]),
        284: (3, [2 if planar else 1]),
        317: (3, [predictor]),
        339: (3, [kind] * count),
        **({322: (4, [across]), 323: (4, [down])} if tile else {278: (4, [down])}),
        **({338: (3, list(extra))} if extra else {}),
        **(tags or {}),
    }
    offsets, sizes = (324, 325) if tile else (273, 279)
    fields |= {offsets: (4, [0] * len(parts)), sizes: (4, [len(part) for part in parts])}
    width_of = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1}
    entry, inside = (20, 8) if big else (12, 4)
    end = at + (8 if big else 2) + entry * len(fields) + (8 if big else 4)
    outside = sum(
        len(values) * width_of[kind] for kind, values in fields.values() if len(values) * width_of[kind] > inside
    )
    start = end + outside + 64  # some room: nothing may rely on where things lie
    fields[offsets] = (4, [start + sum(map(len, parts[:n])) for n in range(len(parts))])
    table, values = struct.pack(f"{order}{'Q' if big else 'H'}", len(fields)), b""
    for tag, (kind_of, content) in sorted(fields.items()):
        form = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B"}[kind_of]
        data = struct.pack(f"{order}{len(content)}{form}", *content)
        table += struct.pack(f"{order}HH{'Q' if big else 'I'}", tag, kind_of, len(content))
        if len(data) <= inside:
            table += data.ljust(inside, b"\0")
        else:
            table += struct.pack(f"{order}{'Q' if big else 'I'}", end + len(values))
            values += data
    pixels = b"".join(parts)
    pixels += b"\0" * (len(pixels) % 2)
    following = 0 if last else start + len(pixels)
    table += struct.pack(f"{order}{'Q' if big else 'I'}", following)
    return table + values + bytes(start - end - len(values)) + pixels


def _coded(block: np.ndarray, bits: int, order: str, compression: int, predictor: int, fill_order: int) -> bytes:
    if predictor == 2:
        block = np.diff(block, axis=1, prepend=np.zeros_like(block[:, :1]))
    rows = block.reshape(len(block), -1)
    if block.dtype.kind == "u":
        data = b"".join(packed(row, bits, order) for row in rows)
    else:
        data = rows.astype(rows.dtype.newbyteorder(order)).tobytes()
    if compression == 8:
        data = zlib.compress(data)
    if fill_order == 2:
        turned = np.packbits(np.unpackbits(np.frombuffer(data, np.uint8)[:, None], axis=1)[:, ::-1], axis=1)
        data = turned.tobytes()
    return data


def netpbm(samples: np.ndarray, maxval: int = 255, *, plain: bool = False, comment: bool = False) -> bytes:
    """PGM or PPM."""
    kind = {(False, 2): 5, (False, 3): 6, (True, 2): 2, (True, 3): 3}[plain, samples.ndim]
    said = b"# made by hand\n" if comment else b""
    head = b"P%d\n%s%d %d\n%d\n" % (kind, said, samples.shape[1], samples.shape[0], maxval)
    if plain:
        return head + b"\n".join(b" ".join(b"%d" % value for value in row.ravel()) for row in samples) + b"\n"
    return head + samples.astype(">u2" if maxval > 255 else "u1").tobytes()


def pbm(black: np.ndarray, *, plain: bool = False) -> bytes:
    """PBM of booleans `[H,W]`."""
    head = b"P%d %d %d\n" % (1 if plain else 4, black.shape[1], black.shape[0])
    if plain:
        return head + b"\n".join(bytes(48 + row.astype(np.uint8)) for row in black) + b"\n"
    return head + np.packbits(black, axis=1).tobytes()


def pfm(values: np.ndarray, order: str = "<") -> bytes:
    """PFM of floats, whose rows go upwards."""
    kind = b"PF" if values.ndim == 3 else b"Pf"
    head = b"%s\n%d %d\n%s\n" % (kind, values.shape[1], values.shape[0], b"-1.0" if order == "<" else b"1.0")
    return head + values[::-1].astype(f"{order}f4").tobytes()


def bmp(pixels: np.ndarray, *, version: int = 3, top_down: bool = False) -> bytes:
    """BMP of RGB `[H,W,3]` in 24 bits, or of RGBA `[H,W,4]` in 32 with masks that declare alpha from version 4 on."""
    height, width, count = pixels.shape
    stored = pixels[:, :, [2, 1, 0, 3][:count]]
    rows = [row.tobytes() + b"\0" * (-row.size % 4) for row in (stored if top_down else stored[::-1])]
    size = {3: 40, 4: 108, 5: 124}[version]
    masks = version > 3 and count == 4
    header = struct.pack("<IiiHHI", size, width, -height if top_down else height, 1, 8 * count, 3 if masks else 0)
    header += struct.pack("<IiiII", 0, 2835, 2835, 0, 0)
    header += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) if masks else b""
    header = header.ljust(size, b"\0")
    data = b"".join(rows)
    return b"BM" + struct.pack("<IHHI", 14 + size + len(data), 0, 0, 14 + size) + header + data

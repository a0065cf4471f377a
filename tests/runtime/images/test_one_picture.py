"""One picture, many files: whatever it is saved as, the network sees the same pixels and gives the same embedding."""

import io

import numpy as np
import pytest
from containers import UPSIDE, bmp, chunk, exif, netpbm, pbm, pfm, pillow, png, tiff
from PIL import Image
from places import GOLDEN

from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.images.preprocess import Preprocess

pytestmark = pytest.mark.device

HIDDEN = 5  # columns at the left that are black, or transparent over something else
HEIGHT, WIDTH = 24, 33  # no multiple of a byte, a tile or an MCU


def _levels() -> np.ndarray:
    """Grey of 16 levels, so that 4 bits hold it as well as 16."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    levels = np.rint(7.5 + 4 * np.sin(x / 4) + 3.4 * np.cos(y / 3)).astype(np.uint8)
    levels[:, :HIDDEN] = 0
    levels[levels == 5] = 6  # 5 is a key that nothing else has
    return levels


LEVEL = _levels()
GREY = LEVEL * 17
TWO = np.where(LEVEL > 7, 255, 0).astype(np.uint8)
FOUR = (LEVEL // 4 * 85).astype(np.uint8)
RGB = np.dstack([FOUR, FOUR[::-1], np.roll(FOUR, 3, axis=1)])
RGB[:, :HIDDEN] = 0
ALPHA = np.full((HEIGHT, WIDTH), 255, np.uint8)
ALPHA[:, :HIDDEN] = 0
OVER = np.where(ALPHA == 0, 255, GREY)  # what hides under the transparent part
KEYED = np.where(ALPHA == 0, 5 * 17, GREY)
RGB_OVER = np.where(ALPHA[:, :, None] == 0, np.uint8(255), RGB)
RGB_KEYED = np.where(ALPHA[:, :, None] == 0, np.array([85, 255, 1], np.uint8), RGB)
DEEP = GREY.astype(np.uint16) * 257
RGB_DEEP = RGB.astype(np.uint16) * 257
ALPHA_DEEP = ALPHA.astype(np.uint16) * 257
SMOOTH = np.rint(128 + 60 * np.sin(np.mgrid[:HEIGHT, :WIDTH][1] / 9) + np.mgrid[:HEIGHT, :WIDTH][0]).astype(np.uint8)
RAW12 = (GREY.astype(np.uint16) * 16 + LEVEL).clip(0, 4095)  # 12 bits, of which the lower ones say something
RGB12 = np.dstack([RAW12, RAW12[::-1], np.roll(RAW12, 3, axis=1)])


def _palette(colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices `[H,W]` and the colours `[N,3]` of a picture with few."""
    table, indices = np.unique(colours.reshape(-1, 3), axis=0, return_inverse=True)
    return indices.reshape(colours.shape[:2]).astype(np.uint8), table


INDEX, TABLE = _palette(RGB)


def _p(indices: np.ndarray, table: np.ndarray) -> Image.Image:
    image = Image.fromarray(indices)
    image.putpalette(table.astype(np.uint8).tobytes())
    return image


def _colour_map(bits: int, table: np.ndarray) -> list[int]:
    """TIFF's palette: all reds, all greens, all blues."""
    full = np.zeros((3, 2**bits), np.uint16)
    full[:, : len(table)] = table.T
    return full.ravel().tolist()


def _turned(orientation: int) -> np.ndarray:
    return np.ascontiguousarray(UPSIDE[orientation](RGB))


def _webp(orientation: int) -> bytes:
    return pillow(_turned(orientation), "WEBP", lossless=True, exif=b"Exif\0\0" + exif(orientation))


def _adobe_rgb() -> bytes:
    return pillow(np.dstack([SMOOTH] * 3), "JPEG", quality=100, subsampling=0, keep_rgb=True)


GREY_FILES = {
    "array": GREY,
    "array [H,W,1]": GREY[:, :, None],
    "array [H,W,3]": np.dstack([GREY] * 3),
    "array [H,W,4]": np.dstack([OVER] * 3 + [ALPHA]),
    "array upside down": np.flipud(np.flipud(GREY).copy()),
    "array uint16": DEEP,
    "array uint16 big-endian": DEEP.astype(">u2"),
    "array uint16 [H,W,3]": np.dstack([DEEP] * 3),
    "array uint16 [H,W,4]": np.dstack([DEEP] * 3 + [np.full_like(DEEP, 65535)]),
    "pillow L": Image.fromarray(GREY),
    "pillow I;16": Image.fromarray(DEEP),
    "pillow LA": Image.fromarray(np.dstack([OVER, ALPHA])),
    "png 8": png(GREY, 0),
    "png 4": png(LEVEL, 0, 4),
    "png 16": png(DEEP, 0, 16),
    "png 16 interlaced": png(DEEP, 0, 16, interlaced=True),
    "png interlaced": png(GREY, 0, interlaced=True),
    "png in pieces": png(GREY, 0, pieces=9),
    "png rgb": png(np.dstack([GREY] * 3), 2),
    "png rgb 16": png(np.dstack([DEEP] * 3), 2, 16),
    "png la": png(np.dstack([OVER, ALPHA]), 4),
    "png la 16": png(np.dstack([OVER * np.uint16(257), ALPHA_DEEP]), 4, 16),
    "png rgba": png(np.dstack([OVER] * 3 + [ALPHA]), 6),
    "png rgba 16": png(np.dstack([OVER * np.uint16(257)] * 3 + [ALPHA_DEEP]), 6, 16),
    "png rgba 16 interlaced": png(np.dstack([DEEP] * 3 + [ALPHA_DEEP]), 6, 16, interlaced=True),
    "png key": png(KEYED, 0, key=b"\0\x55"),
    "png key of 4 bits": png(np.where(ALPHA == 0, 5, LEVEL), 0, 4, key=b"\0\5"),
    "png key of 16 bits": png(KEYED * np.uint16(257), 0, 16, key=b"\x55\x55"),
    "png key of rgb": png(np.dstack([KEYED] * 3), 2, key=b"\0\x55" * 3),
    "png key of rgb 16": png(np.dstack([KEYED * np.uint16(257)] * 3), 2, 16, key=b"\x55\x55" * 3),
    "png palette": png(LEVEL, 3, 4, palette=np.repeat(np.arange(16) * 17, 3).tolist()),
    "png palette with alpha": png(
        np.where(ALPHA == 0, 5, LEVEL), 3, palette=np.repeat(np.arange(16) * 17, 3).tolist(), key=b"\xff" * 5 + b"\0"
    ),
    "gif": pillow(GREY, "GIF"),
    "gif key": pillow(Image.fromarray(KEYED), "GIF", transparency=85),
    "gif interlaced": pillow(GREY, "GIF", interlace=1),
    "webp": pillow(np.dstack([GREY] * 3), "WEBP", lossless=True),
    "webp alpha": pillow(np.dstack([OVER] * 3 + [ALPHA]), "WEBP", lossless=True, exact=True),
    "bmp 8": pillow(GREY, "BMP"),
    "bmp 24": bmp(np.dstack([GREY] * 3)),
    "bmp 24 top down": bmp(np.dstack([GREY] * 3), top_down=True),
    "bmp 32 with nothing in the fourth byte": bmp(np.dstack([GREY] * 3 + [ALPHA * 0])),
    "bmp 32 v4 with nothing in the fourth byte": bmp(np.dstack([GREY] * 3 + [ALPHA * 0]), version=4),
    "bmp 32 v5 with alpha": bmp(np.dstack([OVER] * 3 + [ALPHA]), version=5),
    "pgm": netpbm(GREY),
    "pgm plain": netpbm(GREY, plain=True, comment=True),
    "pgm of 15": netpbm(LEVEL, 15),
    "pgm of 4095": netpbm(LEVEL * np.uint16(273), 4095),
    "pgm of 4095 plain": netpbm(LEVEL * np.uint16(273), 4095, plain=True),
    "pgm of 65535": netpbm(DEEP, 65535),
    "ppm": netpbm(np.dstack([GREY] * 3)),
    "ppm of 1023": netpbm(np.dstack([np.rint(LEVEL * 68.2)] * 3).astype(np.uint16), 1023),
    "pfm 0 to 1": pfm(GREY / 255),
    "pfm 0 to 255": pfm(GREY.astype(float), ">"),
    "tiff": tiff(GREY),
    "tiff big-endian": tiff(GREY, order=">"),
    "bigtiff": tiff(GREY, big=True),
    "bigtiff big-endian": tiff(DEEP, big=True, order=">"),
    "tiff in strips": tiff({"samples": GREY, "rows": 5}),
    "tiff in tiles": tiff({"samples": GREY, "tile": (16, 16)}),
    "tiff deflated": tiff({"samples": GREY, "compression": 8, "predictor": 2, "rows": 7}),
    "tiff lzw": pillow(GREY, "TIFF", compression="tiff_lzw"),
    "tiff packbits": pillow(GREY, "TIFF", compression="packbits"),
    "tiff 4 bits": tiff({"samples": LEVEL, "bits": 4}),
    "tiff 4 bits, the last first": tiff({"samples": LEVEL, "bits": 4, "fill_order": 2}),
    "tiff 10 bits": tiff({"samples": np.rint(LEVEL * 68.2).astype(np.uint16), "bits": 10}),
    "tiff 12 bits": tiff({"samples": LEVEL * np.uint16(273), "bits": 12}),
    "tiff 12 bits big-endian": tiff({"samples": LEVEL * np.uint16(273), "bits": 12}, order=">"),
    "tiff 14 bits": tiff({"samples": np.rint(LEVEL * 1092.2).astype(np.uint16), "bits": 14}),
    "tiff 16": tiff(DEEP),
    "tiff 16 big-endian": tiff(DEEP, order=">"),
    "tiff 16 tiled, deflated": tiff({"samples": DEEP, "tile": (16, 16), "compression": 8, "predictor": 2}),
    "tiff 8, white is 0": tiff({"samples": 255 - GREY, "photometric": 0}),
    "tiff 4, white is 0": tiff({"samples": 15 - LEVEL, "bits": 4, "photometric": 0}),
    "tiff 12, white is 0": tiff({"samples": 4095 - LEVEL * np.uint16(273), "bits": 12, "photometric": 0}),
    "tiff 16, white is 0": tiff({"samples": 65535 - DEEP, "photometric": 0}, order=">"),
    "tiff int32": tiff(GREY.astype(np.int32)),
    "tiff uint32": tiff(GREY.astype(np.uint32), order=">"),
    "tiff uint32 of 16 bits": tiff(DEEP.astype(np.uint32)),
    "tiff int32 big-endian": tiff(GREY.astype(np.int32), order=">"),
    "tiff float": tiff(GREY.astype(np.float32)),
    "tiff float big-endian": tiff(GREY.astype(np.float32), order=">"),
    "tiff float 0 to 1": tiff((GREY / 255).astype(np.float32)),
    "tiff double 0 to 1": tiff(GREY / 255),
    "tiff half": tiff(GREY.astype(np.float16)),
    "tiff float of 16 bits": tiff(DEEP.astype(np.float32)),
    "tiff grey and alpha": tiff({"samples": np.dstack([OVER, ALPHA]), "extra": [2]}),
    "tiff grey and alpha 16": tiff({"samples": np.dstack([OVER * np.uint16(257), ALPHA_DEEP]), "extra": [2]}),
    "tiff grey and something": tiff({"samples": np.dstack([GREY, ALPHA * 0]), "extra": [0]}),
    "tiff grey and dead alpha": tiff({"samples": np.dstack([GREY, ALPHA * 0]), "extra": [2]}),
    "tiff after its thumbnail": tiff({"samples": GREY[::4, ::4], "tags": {254: (4, [1])}}, GREY),
    "tiff before its mask": tiff(GREY, {"samples": ALPHA, "tags": {254: (4, [4])}}),
}
COLOUR_FILES = {
    "array": RGB,
    "array with alpha": np.dstack([RGB_OVER, ALPHA]),
    "array uint16": RGB_DEEP,
    "array uint16 with dead alpha": np.dstack([RGB_DEEP, ALPHA_DEEP * 0]),
    "pillow": Image.fromarray(RGB),
    "pillow RGBA": Image.fromarray(np.dstack([RGB_OVER, ALPHA])),
    "pillow P": _p(INDEX, TABLE),
    "png": png(RGB, 2),
    "png 16": png(RGB_DEEP, 2, 16),
    "png 16 interlaced": png(RGB_DEEP, 2, 16, interlaced=True, pieces=3),
    "png key": png(RGB_KEYED, 2, key=b"\0\x55\0\xff\0\1"),
    "png key 16": png(RGB_KEYED * np.uint16(257), 2, 16, key=b"\x55\x55\xff\xff\1\1"),
    "png rgba": png(np.dstack([RGB_OVER, ALPHA]), 6),
    "png rgba 16": png(np.dstack([RGB_OVER * np.uint16(257), ALPHA_DEEP]), 6, 16),
    "png palette": png(INDEX, 3, palette=TABLE.ravel().tolist()),
    "png palette with alpha": png(
        np.where(ALPHA == 0, len(TABLE), INDEX),
        3,
        palette=[*TABLE.ravel().tolist(), 9, 99, 199],
        key=b"\xff" * len(TABLE) + b"\0",
    ),
    "gif": pillow(_p(INDEX, TABLE), "GIF"),
    "webp": pillow(RGB, "WEBP", lossless=True),
    "webp with alpha": pillow(np.dstack([RGB_OVER, ALPHA]), "WEBP", lossless=True, exact=True),
    "bmp": bmp(RGB),
    "bmp 8": pillow(_p(INDEX, TABLE), "BMP"),
    "bmp v5 with alpha": bmp(np.dstack([RGB_OVER, ALPHA]), version=5),
    "ppm": netpbm(RGB, comment=True),
    "ppm plain": netpbm(RGB, plain=True),
    "ppm of 65535": netpbm(RGB_DEEP, 65535),
    "pfm": pfm(RGB / 255, ">"),
    "tiff": tiff(RGB),
    "tiff in planes": tiff({"samples": RGB, "planar": True, "rows": 9}),
    "tiff in tiles of planes": tiff({"samples": RGB, "planar": True, "tile": (16, 32), "compression": 8}),
    "tiff lzw": pillow(RGB, "TIFF", compression="tiff_lzw"),
    "tiff 16": tiff(RGB_DEEP),
    "tiff 16 big-endian": tiff(RGB_DEEP, order=">"),
    "tiff 16 in planes": tiff({"samples": RGB_DEEP, "planar": True}, order=">"),
    "tiff 16 deflated": tiff({"samples": RGB_DEEP, "compression": 8, "predictor": 2}, order=">"),
    "tiff float": tiff((RGB / 255).astype(np.float32), order=">"),
    "tiff rgba": tiff({"samples": np.dstack([RGB_OVER, ALPHA]), "extra": [2]}),
    "tiff rgba, what the fourth is left out": tiff(np.dstack([RGB_OVER, ALPHA])),
    "tiff rgba 16": tiff({"samples": np.dstack([RGB_OVER * np.uint16(257), ALPHA_DEEP]), "extra": [2]}),
    "tiff rgba multiplied": tiff({"samples": np.dstack([RGB, ALPHA]), "extra": [1]}),
    "tiff rgba dead": tiff({"samples": np.dstack([RGB, ALPHA * 0]), "extra": [2]}),
    "tiff rgb and something": tiff({"samples": np.dstack([RGB, ALPHA * 0 + 7]), "extra": [0]}),
    "tiff palette": tiff(
        {"samples": INDEX, "photometric": 3, "tags": {320: (3, _colour_map(8, TABLE * np.uint16(257)))}}
    ),
    "tiff palette of 8 bits": tiff({"samples": INDEX, "photometric": 3, "tags": {320: (3, _colour_map(8, TABLE))}}),
    **{f"tiff turned {n}": tiff({"samples": _turned(n), "tags": {274: (3, [n])}}) for n in range(2, 9)},
    **{f"png turned {n}": png(_turned(n), 2, before=chunk(b"eXIf", exif(n, ">"))) for n in range(2, 9)},
    **{f"webp turned {n}": _webp(n) for n in range(2, 9)},
}
TWO_LEVEL_FILES = {
    "png 1": png(TWO // 255, 0, 1),
    "png 2": png(TWO // 85, 0, 2),
    "png palette 1": png(TWO // 255, 3, 1, palette=[0, 0, 0, 255, 255, 255]),
    "png key of 1 bit": png(TWO // 255, 0, 1, key=b"\0\0"),
    "pillow 1": Image.fromarray(TWO).convert("1"),
    "bmp 1": pillow(Image.fromarray(TWO).convert("1"), "BMP"),
    "pbm": pbm(TWO == 0),
    "pbm plain": pbm(TWO == 0, plain=True),
    "tiff 1": tiff({"samples": TWO // 255, "bits": 1}),
    "tiff 1, white is 0": tiff({"samples": 1 - TWO // 255, "bits": 1, "photometric": 0}),
    "tiff 1, the last first": tiff({"samples": TWO // 255, "bits": 1, "fill_order": 2}),
    "tiff 2": tiff({"samples": TWO // 85, "bits": 2}),
    "tiff 2, white is 0": tiff({"samples": 3 - TWO // 85, "bits": 2, "photometric": 0}, order=">"),
    "tiff fax": pillow(Image.fromarray(TWO).convert("1"), "TIFF", compression="group4"),
}
SMOOTH_FILES = {
    "jpeg grey": pillow(SMOOTH, "JPEG", quality=100),
    "jpeg grey progressive": pillow(SMOOTH, "JPEG", quality=100, progressive=True),
    "jpeg 4:4:4": pillow(np.dstack([SMOOTH] * 3), "JPEG", quality=100, subsampling=0),
    "jpeg 4:2:2": pillow(np.dstack([SMOOTH] * 3), "JPEG", quality=100, subsampling=1),
    "jpeg 4:2:0 progressive": pillow(np.dstack([SMOOTH] * 3), "JPEG", quality=100, subsampling=2, progressive=True),
    "jpeg rgb": _adobe_rgb(),
    "jpeg with restarts": pillow(SMOOTH, "JPEG", quality=100, restart_marker_blocks=2),
    "jpeg cmyk": pillow(Image.fromarray(np.dstack([SMOOTH] * 3)).convert("CMYK"), "JPEG", quality=100, subsampling=0),
    "tiff jpeg": pillow(SMOOTH, "TIFF", compression="jpeg", quality=100),
    **{
        f"jpeg turned {n}": pillow(
            np.ascontiguousarray(UPSIDE[n](SMOOTH)), "JPEG", quality=100, exif=b"Exif\0\0" + exif(n)
        )
        for n in range(2, 9)
    },
}
RAW_FILES = {
    "array": RAW12,
    "png": png(RAW12, 0, 16),
    "png rgb": png(np.dstack([RAW12] * 3), 2, 16),
    "png la": png(np.dstack([RAW12, np.full_like(RAW12, 65535)]), 4, 16),
    "png rgba": png(np.dstack([RAW12] * 3 + [np.full_like(RAW12, 65535)]), 6, 16),
    "tiff": tiff(RAW12),
    "tiff big-endian": tiff(RAW12, order=">"),
    "tiff of 12 bits": tiff({"samples": RAW12, "bits": 12}),
    "tiff rgb": tiff(np.dstack([RAW12] * 3)),
    "tiff rgb in planes": tiff({"samples": np.dstack([RAW12] * 3), "planar": True}, order=">"),
    "tiff int32": tiff(RAW12.astype(np.int32)),
    "tiff float": tiff(RAW12.astype(np.float32), order=">"),
    "pgm of 4095": netpbm(RAW12, 4095),
    "pgm of 4095 plain": netpbm(RAW12, 4095, plain=True),
    "pgm of 65535": netpbm(RAW12, 65535),
    "ppm of 4095": netpbm(np.dstack([RAW12] * 3), 4095),
}
RAW_COLOUR_FILES = {
    "array": RGB12,
    "png": png(RGB12, 2, 16),
    "png rgba": png(np.dstack([RGB12, np.full_like(RAW12, 65535)]), 6, 16, interlaced=True),
    "tiff": tiff(RGB12),
    "tiff of 12 bits": tiff({"samples": RGB12, "bits": 12}),
    "tiff tiled": tiff({"samples": RGB12, "tile": (16, 16), "compression": 8, "predictor": 2}, order=">"),
    "tiff uint32": tiff(RGB12.astype(np.uint32)),
    "ppm of 4095": netpbm(RGB12, 4095),
    "ppm of 65535": netpbm(RGB12, 65535),
}
LOSSLESS = [
    *(pytest.param(file, GREY, None, id=f"grey {name}") for name, file in GREY_FILES.items()),
    *(pytest.param(file, RGB, None, id=f"colour {name}") for name, file in COLOUR_FILES.items()),
    *(pytest.param(file, TWO, None, id=f"two levels {name}") for name, file in TWO_LEVEL_FILES.items()),
    *(pytest.param(file, RAW12, (0, 4095), id=f"raw {name}") for name, file in RAW_FILES.items()),
    *(pytest.param(file, RAW12, (100, 3000), id=f"raw in another window {name}") for name, file in RAW_FILES.items()),
    *(pytest.param(file, RGB12, (0, 4095), id=f"raw colour {name}") for name, file in RAW_COLOUR_FILES.items()),
]


@pytest.fixture(scope="module")
def embedder() -> OnnxEmbedder:
    return OnnxEmbedder(Bundle.open(GOLDEN).model)


@pytest.mark.parametrize(("source", "picture", "window"), LOSSLESS)
def test_a_lossless_file_gives_the_same_pixels_and_embedding(source, picture, window, embedder):
    preprocess = Preprocess((32, 32), window=window or (0, 65535))
    expected, found = preprocess(picture), preprocess(source)
    assert np.array_equal(found, expected)
    assert np.array_equal(embedder.embed(found[None]), embedder.embed(expected[None]))


@pytest.mark.parametrize("name", SMOOTH_FILES)
def test_a_lossy_file_gives_the_same_embedding_within_a_thousandth(name, embedder):
    preprocess = Preprocess((32, 32))
    expected, found = (embedder.embed(preprocess(source)[None]) for source in (SMOOTH, SMOOTH_FILES[name]))
    assert np.linalg.norm(found - expected) <= 1e-3 * np.linalg.norm(expected)


def test_a_pillow_image_that_is_still_a_file_is_the_same_as_its_bytes(embedder):
    preprocess = Preprocess((32, 32))
    for name in ("png rgba", "gif key", "webp alpha", "bmp 32 v4 with nothing in the fourth byte", "tiff float"):
        with Image.open(io.BytesIO(GREY_FILES[name])) as image:
            assert np.array_equal(preprocess(image), preprocess(GREY)), name

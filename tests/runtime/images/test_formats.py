"""HEIC and AVIF: read where a decoder is there, and one line with the cure where not."""

import io
import sys

import pytest
from PIL import Image, features

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images import open_image
from edgefs_runtime.images.formats import reads_heif
from edgefs_runtime.images.listing import find_images, list_images, passed_over

pytestmark = pytest.mark.device

HEIC_HEAD = b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00mif1heicmiaf\x00\x00\x01}" + bytes(64)


@pytest.fixture
def without_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    reads_heif.cache_clear()
    yield
    reads_heif.cache_clear()


@pytest.mark.usefixtures("without_extra")
def test_heic_without_the_extra_says_what_to_install(tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(HEIC_HEAD)
    images, others = list_images(tmp_path)
    assert images == []
    assert 'To read .heic: pip install "edgefs[heif]", or convert them to PNG or JPEG.' in passed_over(others)
    with pytest.raises(ImageError, match=r'a HEIC image; to read it pip install "edgefs\[heif\]"'):
        open_image(tmp_path / "IMG_1.HEIC")


def test_heic_with_the_extra_is_an_image(tmp_path):
    pytest.importorskip("pillow_heif", reason="the extra heif is not installed")
    import pillow_heif

    pillow_heif.register_heif_opener()
    Image.new("RGB", (32, 24), (10, 20, 200)).save(tmp_path / "a.heic")
    assert find_images(tmp_path) == [tmp_path / "a.heic"]
    open_image(tmp_path / "a.heic")


def test_avif_is_read_by_content_where_pillow_can(tmp_path):
    if "avif" not in features.get_supported():
        pytest.skip("this Pillow has no AVIF")
    data = io.BytesIO()
    Image.new("RGB", (32, 24), (10, 20, 200)).save(data, "AVIF")
    (tmp_path / "a.avif").write_bytes(data.getvalue())
    assert find_images(tmp_path) == [tmp_path / "a.avif"]
    open_image(data.getvalue())


@pytest.mark.parametrize("data", [b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(20), b"\0\0\0\x18ftyp", b"ftypheic"])
def test_other_containers_are_no_images(data):
    with pytest.raises(ImageError, match="not an image"):
        open_image(data)

"""What comes to an owner's socket and is no honest request: it is answered in one line or not at all, and the line
goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from owners import OwnerProcess
from places import GOLDEN
from textures import draw

from edgefs_runtime import Classifier, GalleryError
from edgefs_runtime.asking import place
from edgefs_runtime.asking.frames import HEAD, MOST_BLOBS, lengths, pack, unpack
from edgefs_runtime.asking.messages import Request
from edgefs_runtime.asking.server import MOST_CALLERS
from edgefs_runtime.base.state import socket_folder
from edgefs_runtime.gallery import Gallery
from edgefs_runtime.gallery.belonging import seed_of

pytestmark = [
    pytest.mark.device,
    pytest.mark.skipif(sys.platform != "linux", reason="another process is asked on Linux alone"),
]

NOBODY = 65534
Pictures = Callable[..., list[Path]]
needs_root = pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root can be two users")


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for the whole file: what strangers say changes nothing of it."""
    return tmp_path_factory.mktemp("asked") / "line.gallery"


@pytest.fixture(scope="module")
def long_lived(gallery: Path) -> Iterator[Classifier]:
    with Classifier.open(GOLDEN, gallery=gallery) as classifier:
        classifier.enroll("first", [draw("checks", 1), draw("checks", 2)])
        yield classifier


@pytest.fixture
def own_gallery(tmp_path: Path) -> Path:
    return tmp_path / "own.gallery"


@pytest.fixture
def owner(long_lived: Classifier, gallery: Path) -> Iterator[Classifier]:
    """Is asked by strangers; after that nothing is changed, and whoever asks honestly is answered."""
    yield long_lived
    assert long_lived.gallery.sequence == 1, "a stranger changed the gallery"
    with connected(gallery) as connection:
        connection.sendall(request(long_lived, "state"))
        began, answer = answered(connection)
    assert (began, answer["error"], answer["position"][1]) == ({"began": True}, "", 1)


def connected(gallery: Path) -> socket.socket:
    connection = place.reach(gallery)
    assert connection is not None
    connection.settimeout(30)
    return connection


def answered(connection: socket.socket) -> list[dict]:
    """What the owner says until it hangs up."""
    data, said = b"", []
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(1 << 20):
            data += piece
    while data:
        text, blobs = lengths(data[: HEAD.size])
        end = HEAD.size + text + blobs
        said.append(unpack(data[HEAD.size : end], text).fields)
        data = data[end:]
    return said


def error_of(said: list[dict]) -> str:
    assert "Traceback" not in said[-1]["error"]
    assert len(said[-1]["error"].splitlines()) == 1
    return said[-1]["error"]


def request(owner: Classifier, ask: str, **fields: object) -> bytes:
    """A whole request of an edgefs that means no harm but for its fields."""
    behind = (owner.gallery.device, owner.gallery.sequence)
    asked = {**Request(ask, owner.bundle.digest, behind, False, "done").to_json(), **fields}
    return b"".join(pack(asked, ()))


HEADS = {
    "junk": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a length of exabytes": HEAD.pack(b"EFSASK", 1, 10, 1 << 62),
    "a text of gigabytes": HEAD.pack(b"EFSASK", 1, (1 << 32) - 1, 0),
    "more than is read": HEAD.pack(b"EFSASK", 1, 10, MOST_BLOBS + 1),
    "no text": HEAD.pack(b"EFSASK", 1, 0, 5) + b"12345",
    "text that is no JSON": HEAD.pack(b"EFSASK", 1, 5, 0) + b"hello",
    "text that is a list": HEAD.pack(b"EFSASK", 1, 2, 0) + b"[]",
    "deep brackets": HEAD.pack(b"EFSASK", 1, 100_000, 0) + b"[" * 100_000,
    "NaN": HEAD.pack(b"EFSASK", 1, 28, 0) + b'{"fields":{},"blobs":[ NaN]}',
    "blobs of a negative length": HEAD.pack(b"EFSASK", 1, 27, 0) + b'{"fields":{},"blobs":[1,-1]}'[:27],
    "more blobs than bytes": HEAD.pack(b"EFSASK", 1, 27, 0) + b'{"fields":{},"blobs":[ 99]}',
}


@pytest.mark.parametrize("name", HEADS)
def test_what_is_no_message_is_answered_in_a_line(owner: Classifier, gallery: Path, name: str) -> None:
    with connected(gallery) as connection:
        connection.sendall(HEADS[name])
        error = error_of(answered(connection))
    assert "what came through the socket" in error or "MB at once are too much" in error


def test_another_version_of_the_protocol_is_named_on_both_sides(
    owner: Classifier, bundle: Path, gallery: Path, tmp_path: Path
) -> None:
    with connected(gallery) as connection:
        connection.sendall(HEAD.pack(b"EFSASK", 7, 2, 0) + b"{}")
        assert "speaks version 7 of the socket's protocol, this one version 1" in error_of(answered(connection))
    newer = tmp_path / "newer.gallery"
    with Gallery.open(newer, seed_of(owner.bundle)), place.listen(newer) as listener:
        listener.setblocking(True)

        def answer() -> None:
            for _ in range(3):  # two looks whether somebody listens, and the request
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.sendall(HEAD.pack(b"EFSASK", 9, 2, 0) + b"{}")
                    connection.recv(1 << 20)

        threading.Thread(target=answer, daemon=True).start()
        with (
            Classifier.open(bundle, gallery=newer) as other,
            pytest.raises(GalleryError, match="speaks version 9 of the socket's protocol, this one version 1: use one"),
        ):
            other.undo()


FAULTS: dict[str, dict[str, object]] = {
    "an act that is none": {"ask": "drop"},
    "a name with a path": {"ask": "../../etc"},
    "a bundle that is no digest": {"bundle": "x"},
    "a place that is none": {"behind": ["x"]},
    "a place with a sign": {"behind": ["x", -1]},
    "force that is a text": {"force": "no"},
    "a word with a line break": {"done": "a\nb"},
    "no fields": {"what": {}},
    "a path from another folder": {"ask": "merge", "what": {"other": "g", "actor": "", "reason": ""}},
    "an actor that is a number": {"what": {"label": "first", "actor": 5, "reason": ""}},
    "a reason without end": {"what": {"label": "first", "actor": "", "reason": "x" * 200_000}},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_request_with_a_field_that_no_edgefs_writes_does_nothing(owner: Classifier, gallery: Path, name: str) -> None:
    with connected(gallery) as connection:
        connection.sendall(request(owner, **{"ask": "forget", **FAULTS[name]}))
        assert "what came through the socket" in (error := error_of(answered(connection))) or "knows no" in error


ENROLMENT = {
    "label": "new",
    "disposition": "ok",
    "shape": [1, 768],
    "digests": ["0" * 64],
    "groups": [""],
    "state": "approved",
    "actor": "",
    "approver": "",
    "reason": "",
    "region": None,
}
ZEROS = bytes(4 * 768)
ENROLMENTS: dict[str, tuple[dict[str, object], list[bytes]]] = {
    "fewer blobs than it speaks of": ({}, []),
    "more blobs than it speaks of": ({}, [ZEROS, b"", b""]),
    "a shape of terabytes": ({"shape": [1 << 30, 1 << 30]}, [ZEROS, b""]),
    "a shape of nothing": ({"shape": [0, 768]}, [b""]),
    "another width": ({"shape": [1, 8]}, [bytes(32), b""]),
    "a NaN": ({}, [b"\xff" * 4 * 768, b""]),
    "a number that no network makes": ({}, [b"\x00\x00\x80\x7e" * 768, b""]),
    "a label of two lines": ({"label": "a\nb"}, [ZEROS, b""]),
    "the label unknown": ({"label": "Unknown"}, [ZEROS, b""]),
    "a digest that is none": ({"digests": ["x"]}, [ZEROS, b""]),
    "digests of no texts": ({"digests": [5]}, [ZEROS, b""]),
    "more digests than images": ({"digests": ["0" * 64] * 3}, [ZEROS, b""]),
    "another state": ({"state": "seed"}, [ZEROS, b""]),
    "another disposition": ({"disposition": "best"}, [ZEROS, b""]),
    "a region of texts": ({"region": ["a", "b", "c", "d"]}, [ZEROS, b""]),
    "a picture without end": ({}, [ZEROS, bytes(17 << 20)]),
    "half a character": ({"actor": "\udc80"}, [ZEROS, b""]),
}


@pytest.mark.parametrize("name", ENROLMENTS)
def test_an_enrolment_that_no_gallery_may_hold_does_nothing(owner: Classifier, gallery: Path, name: str) -> None:
    fields, blobs = ENROLMENTS[name]
    behind = (owner.gallery.device, owner.gallery.sequence)
    what = {"enrolments": [{**ENROLMENT, **fields}]}
    asked = Request("enroll", owner.bundle.digest, behind, True, "enrolled", what)
    with connected(gallery) as connection:
        for block in pack(asked.to_json(), blobs):
            connection.sendall(block)
        assert error_of(answered(connection))


def test_that_enrolment_without_a_fault_would_be_done(bundle: Path, own_gallery: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle, gallery=own_gallery) as owner:
        owner.enroll("first", pictures("checks", 2))
        asked = Request(
            "enroll", owner.bundle.digest, (owner.gallery.device, 1), True, "enrolled", {"enrolments": [ENROLMENT]}
        )
        with connected(own_gallery) as connection:
            connection.sendall(b"".join(pack(asked.to_json(), [ZEROS, b""])))
            began, answer = answered(connection)
        assert (began, answer["error"], answer["result"]) == ({"began": True}, "", 2)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 1 << 70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
ASKS = ["state", "known", "enroll", "align", "carry", "forget", "remove", "approve", "undo", "merge", "compact"]
FIELDS = [
    "enrolments",
    "aligned",
    "origins",
    "label",
    "images",
    "act",
    "other",
    "keep_days",
    "actor",
    "reason",
    "source",
]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(ask=st.sampled_from(ASKS[2:]), what=st.dictionaries(st.sampled_from(FIELDS), JSON), blobs=st.lists(st.binary()))
def test_whatever_is_asked_for_comes_out_as_an_answer(
    owner: Classifier, gallery: Path, ask: str, what: dict[str, object], blobs: list[bytes]
) -> None:
    """What happens to hold all that an act needs is passed over: it names another device."""
    asked = {**Request(ask, owner.bundle.digest, ("another device", 0), False, "done", what).to_json()}
    with connected(gallery) as connection:
        connection.sendall(b"".join(pack(asked, blobs)))
        said = answered(connection)
    assert said[-1]["error"] or said[-1]["is_passed_over"]
    assert owner.gallery.sequence == 1


def test_half_a_request_keeps_nobody_waiting(owner: Classifier, bundle: Path, gallery: Path) -> None:
    whole = request(owner, "forget", what={"label": "first", "actor": "", "reason": ""})
    halves = [connected(gallery) for _ in range(3)]
    for number, connection in enumerate(halves):
        connection.sendall(whole[: number * 20])
    assert owner.predict([__import__("numpy").zeros((48, 48, 3), "u1")])
    with pytest.raises(GalleryError, match="has no class"):
        owner.forget("none")
    with Classifier.open(bundle, gallery=gallery) as other, pytest.raises(GalleryError, match="has no class"):
        other.forget("none")
    for connection in halves:
        connection.close()


def test_a_request_of_who_hung_up_is_not_done(
    bundle: Path, own_gallery: Path, pictures: Pictures, owner: Classifier
) -> None:
    forget = {"label": "first", "actor": "", "reason": ""}
    with OwnerProcess(bundle, own_gallery, pictures("checks", 2)) as other:
        with other.stopped():
            connection = connected(own_gallery)
            connection.sendall(request(owner, "forget", behind=None, what=forget))
            connection.shutdown(socket.SHUT_WR)  # it would still take an answer
        with connection:
            assert answered(connection) == []
        assert other.do("sequence") == 1


@pytest.mark.parametrize("behind", [["another device", 1], ["", 0]])
def test_an_act_behind_another_row_is_passed_over(owner: Classifier, gallery: Path, behind: list[object]) -> None:
    """What the asking side looked at is not what the act would be done to."""
    with connected(gallery) as connection:
        forget = {"label": "first", "actor": "", "reason": ""}
        connection.sendall(request(owner, "forget", behind=behind, what=forget))
        began, answer = answered(connection)
    assert (began, answer["is_passed_over"], answer["result"]) == ({"began": True}, True, None)


def test_a_hundred_connections_cost_one_thread_and_a_few_descriptors(
    owner: Classifier, bundle: Path, gallery: Path
) -> None:
    threads, descriptors = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    many = []
    for _ in range(100):
        many.append(connected(gallery))
        with Classifier.open(bundle, gallery=gallery) if len(many) % 25 == 0 else contextlib.nullcontext() as other:
            if other is not None:  # it is heard among them
                with pytest.raises(GalleryError, match="has no class"):
                    other.forget("none")
    assert threading.active_count() == threads
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + len(many) + MOST_CALLERS + 2
    for connection in many:
        connection.close()


def test_who_never_takes_the_answer_keeps_nobody_waiting(owner: Classifier, gallery: Path) -> None:
    deaf = connected(gallery)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    deaf.sendall(request(owner, "known", behind=None))
    with pytest.raises(GalleryError, match="has no class"):
        owner.forget("none")
    deaf.close()


def test_a_link_in_the_place_of_the_folder_is_not_followed(
    bundle: Path, own_gallery: Path, pictures: Pictures, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    socket_folder(own_gallery).symlink_to(elsewhere)
    with Classifier.open(bundle, gallery=own_gallery) as owner:
        owner.enroll("first", pictures("checks", 1))
        assert "other processes can't act through this one" in caplog.text
        assert list(elsewhere.iterdir()) == []
        assert not place.is_reachable(own_gallery)
        with (
            Classifier.open(bundle, gallery=own_gallery, wait=0) as other,
            pytest.raises(GalleryError, match="is owned by this process"),
        ):
            other.undo()


@needs_root
def test_a_folder_of_another_user_is_not_used(
    bundle: Path, own_gallery: Path, pictures: Pictures, caplog: pytest.LogCaptureFixture
) -> None:
    socket_folder(own_gallery).mkdir(mode=0o777)
    os.chown(socket_folder(own_gallery), NOBODY, NOBODY)
    with Classifier.open(bundle, gallery=own_gallery) as owner:
        owner.enroll("first", pictures("checks", 1))
        assert f"{socket_folder(own_gallery)} belongs to another user" in caplog.text
        assert not place.is_reachable(own_gallery)


def test_a_folder_that_others_may_write_is_closed_to_them_and_asked_by_nobody(owner: Classifier, gallery: Path) -> None:
    folder = socket_folder(gallery)
    assert (folder.stat().st_mode & 0o777, (folder / "ask").stat().st_mode & 0o777) == (0o700, 0o600)
    folder.chmod(0o777)
    assert not place.is_reachable(gallery)
    folder.chmod(0o700)
    assert place.is_reachable(gallery)


AS_NOBODY = """
import os, socket, sys
from pathlib import Path
from edgefs_runtime.asking import place
gallery, request = Path(sys.argv[1]), bytes.fromhex(sys.argv[2])
os.setgid(65534)
os.setuid(65534)
print(place.reach(gallery))
try:
    asking = socket.socket(socket.AF_UNIX)
    asking.connect(os.path.relpath(place.socket_folder(gallery) / "ask"))
    asking.sendall(request)
    print(asking.recv(100))
except OSError as error:
    print(type(error).__name__)
"""


@needs_root
@pytest.mark.parametrize("opened", [False, True])
def test_another_user_is_not_answered(bundle: Path, pictures: Pictures, tmp_path: Path, opened: bool) -> None:
    """Not even where the folder and the socket were opened to all: the kernel says whose process it is."""
    import tempfile

    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        gallery = Path(open_to_all) / "g"
        with Classifier.open(bundle, gallery=gallery) as owner:
            owner.enroll("first", pictures("checks", 1))
            if opened:
                socket_folder(gallery).chmod(0o755)
                (socket_folder(gallery) / "ask").chmod(0o777)
            asked = request(owner, "forget", what={"label": "first", "actor": "", "reason": ""})
            said = subprocess.run(
                [sys.executable, "-c", AS_NOBODY, gallery, asked.hex()],
                capture_output=True,
                text=True,
                check=True,
                cwd=open_to_all,
            ).stdout.splitlines()
            assert said[0] == "None"
            assert said[1] in (["b''", "ConnectionResetError", "BrokenPipeError"] if opened else ["PermissionError"])
            assert owner.gallery.sequence == 1


@needs_root
def test_root_may_ask_the_owner_of_another_user(bundle: Path, pictures: Pictures) -> None:
    """Whoever is root may do everything here anyway; the files stay those of the gallery's user."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        gallery = Path(folder) / "g"
        bundle, *shots = (Path(shutil.copy(path, folder)) for path in (bundle, *pictures("checks", 2)))
        for path in (Path(folder), bundle, *shots):
            os.chown(path, NOBODY, NOBODY)
        with OwnerProcess(bundle, gallery, shots, user=NOBODY) as owner:
            with Classifier.open(bundle, gallery=gallery) as root:
                assert root.undo().startswith("took back the enrollment of 2 images of 'first'")
            assert owner.do("sequence") == 2
        assert {path.stat().st_uid for path in Path(folder).iterdir()} == {NOBODY}


def test_messages_are_plain_json_and_bytes() -> None:
    """Whatever another program makes of the protocol: a request can be read without edgefs."""
    blocks = pack(Request("undo", "ab" * 32, ("x", 3)).to_json(), [b"123"])
    said = json.loads(blocks[1])
    assert said["blobs"] == [3]
    assert said["fields"]["behind"] == ["x", 3]
    assert HEAD.unpack(blocks[0]) == (b"EFSASK", 1, len(blocks[1]), 3)

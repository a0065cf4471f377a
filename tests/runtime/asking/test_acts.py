"""Acts of one process on a gallery that another one owns: done there, once, or truly not."""

from __future__ import annotations

import gc
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import remade
from heads import TURNED, model, with_head
from kept_parts import flags, keep
from owners import AFTER, BEFORE, OwnerProcess

from edgefs_runtime import Classifier, GalleryError
from edgefs_runtime.asking.place import listen
from edgefs_runtime.base.state import socket_folder
from edgefs_runtime.gallery import check_gallery

pytestmark = [
    pytest.mark.device,
    pytest.mark.skipif(sys.platform != "linux", reason="another process is asked on Linux alone"),
]

Pictures = Callable[..., list[Path]]


def test_an_act_is_the_owners_with_who_did_it_and_why(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    asked = pictures("checks", 1, first=300)
    with Classifier.open(bundle, gallery=gallery) as owner, Classifier.open(bundle, gallery=gallery) as other:
        owner.enroll("first", pictures("dots", 2), force=True)
        taught = other.enroll("checks", pictures("checks", 5), actor="Ann", reason="new supplier")
        assert (taught.images, taught.total, taught.is_new, taught.gallery) == (5, 5, True, 2)
        assert [one.predict(asked)[0].label for one in (owner, other)] == ["checks", "checks"]
        entry = owner.gallery.log()[-1]
        assert (entry.kind, entry.label, entry.actor, entry.reason) == ("enroll", "checks", "Ann", "new supplier")
        assert other.undo().startswith("took back the enrollment of 5 images of 'checks'")
        assert [one.predict(asked)[0].label for one in (owner, other)] == [None, None]


def test_an_embedding_comes_through_as_it_was_made(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    shots = pictures("checks", 3)
    with Classifier.open(bundle, gallery=gallery) as owner, Classifier.open(bundle, gallery=gallery) as other:
        owner.enroll("mine", shots, keep_images=True, groups=["p1", "", "p1"])
        other.enroll("theirs", shots, keep_images=True, groups=["p1", "", "p1"], force=True)
        snapshot = owner.judge.snapshot
        mine, theirs = (snapshot.classes == snapshot.labels.index(label) for label in ("mine", "theirs"))
        assert snapshot.vectors[mine].tobytes() == snapshot.vectors[theirs].tobytes()
        assert len(set(snapshot.parts[theirs].tolist())) == 2
        assert owner.thumbnails("mine") == other.thumbnails("theirs") != []


def test_the_owners_challenge_parts_refuse_and_are_judged_again(
    bundle: Path, gallery: Path, pictures: Pictures, unknown_part: Path
) -> None:
    keep(bundle, gallery, [unknown_part], "NG")
    with Classifier.open(bundle, gallery=gallery) as owner, Classifier.open(bundle, gallery=gallery) as other:
        owner.enroll("first", pictures("dots", 2), force=True)
        with pytest.raises(GalleryError, match=r"must get NG and would get OK .*; nothing was enrolled: .* --force"):
            other.enroll("checks", pictures("checks", 5), disposition="ok")
        assert owner.gallery.sequence == 1
        assert flags(gallery) == {unknown_part.name: True}
        other.enroll("checks", pictures("checks", 5), disposition="ok", force=True)
        assert flags(gallery) == {unknown_part.name: False}


def test_what_the_owner_refuses_is_refused_in_its_words(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle, gallery=gallery) as owner, Classifier.open(bundle, gallery=gallery) as other:
        owner.enroll("checks", pictures("checks", 2))
        for act in (owner.forget, other.forget):
            with pytest.raises(GalleryError, match="the gallery has no class 'none'; it has checks, dots, good"):
                act("none")


def test_an_owner_of_another_bundle_refuses_in_one_line(
    bundle: Path, gallery: Path, pictures: Pictures, tmp_path: Path
) -> None:
    newer = remade(bundle, tmp_path / "newer.edgefs", version="9")
    with Classifier.open(newer, gallery=gallery) as other, Classifier.open(bundle, gallery=gallery) as owner:
        owner.enroll("checks", pictures("checks", 2))
        with pytest.raises(GalleryError, match=r"runs another bundle \(.{12}, this one is .{12}\): give the bundle"):
            other.undo()
        assert owner.gallery.sequence == 1


def test_the_last_class_can_be_forgotten_there_and_brought_back(bundle: Path, gallery: Path) -> None:
    with Classifier.open(bundle, gallery=gallery) as owner, Classifier.open(bundle, gallery=gallery) as other:
        owner.forget("good")
        other.forget("dots")
        other.forget("stripes")
        with pytest.raises(GalleryError, match="holds no class any more"):
            _ = other.judge
        other.undo()
        assert other.judge.snapshot.labels == owner.judge.snapshot.labels == ("stripes",)


def test_acts_of_several_at_once_are_all_done(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    """Each names the row that it comes behind; one that comes too late is done again behind the next."""
    shots, failed = pictures("checks", 1), []

    def teach(number: int, classifier: Classifier) -> None:
        try:
            for act in range(3):
                classifier.enroll(f"class {number}.{act}", shots, force=True)
        except GalleryError as error:
            failed.append(error)

    with Classifier.open(bundle, gallery=gallery) as owner:
        owner.enroll("first", shots)
        others = [Classifier.open(bundle, gallery=gallery) for _ in range(3)]
        threads = [threading.Thread(target=teach, args=pair) for pair in enumerate([owner, *others])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert {f"class {number}.{act}" for number in range(4) for act in range(3)} < set(owner.judge.snapshot.labels)
        assert owner.gallery.sequence == 13
        assert owner.gallery.check() == []


def test_an_owner_that_closes_hands_the_gallery_on(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    shots = pictures("checks", 1)
    with Classifier.open(bundle, gallery=gallery) as owner, Classifier.open(bundle, gallery=gallery) as other:
        owner.enroll("first", shots)
        other.enroll("second", shots, force=True)
        owner.close()
        assert not socket_folder(gallery).exists()
        other.enroll("third", shots, force=True)  # now it owns the gallery itself
        assert owner.enroll("fourth", shots, force=True).gallery == 4
        assert other.gallery.sequence == 4


def test_an_owner_that_goes_as_it_is_found_is_not_blamed(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    shots = pictures("checks", 1)
    owner = Classifier.open(bundle, gallery=gallery, share=False)
    owner.enroll("checks", pictures("dots", 1), force=True)
    listener = listen(gallery)
    listener.listen(0)  # it is found once: the next who looks finds its queue full
    going = threading.Timer(0.5, owner.close)
    with Classifier.open(bundle, gallery=gallery) as other:
        going.start()
        other.enroll("later", shots, force=True)
    going.join()
    listener.close()
    assert other.predict(shots)[0].label == "later"


def test_an_owner_that_shares_nothing_is_waited_for(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    with (
        Classifier.open(bundle, gallery=gallery, share=False) as owner,
        Classifier.open(bundle, gallery=gallery, wait=0) as other,
    ):
        owner.enroll("checks", pictures("checks", 1))
        assert not socket_folder(gallery).exists()
        with pytest.raises(GalleryError, match="is owned by this process"):
            other.undo()


def test_an_owner_that_nobody_holds_any_more_holds_nothing(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    """The thread that answers others keeps no classifier alive that its script let go of."""
    shots = pictures("checks", 1)
    owner = Classifier.open(bundle, gallery=gallery)
    owner.enroll("first", shots)
    del owner
    gc.collect()  # SQLite's connection, which holds the lock
    with Classifier.open(bundle, gallery=gallery, wait=0) as other:
        assert other.enroll("second", shots, force=True).gallery == 2
        assert other.gallery.sequence == 2


def test_a_gallery_whose_first_act_is_refused_is_left_to_nobody(bundle: Path, gallery: Path) -> None:
    with Classifier.open(bundle, gallery=gallery) as owner:
        with pytest.raises(GalleryError, match="nothing to undo"):
            owner.undo()
        assert list(gallery.parent.glob(f"{gallery.name}*")) == []


def test_an_owner_killed_before_it_writes_has_done_nothing_and_the_act_is_done(
    bundle: Path, gallery: Path, pictures: Pictures, unknown_part: Path
) -> None:
    keep(bundle, gallery, [unknown_part], "NG")
    with OwnerProcess(bundle, gallery, pictures("dots", 1)) as owner:
        with Classifier.open(bundle, gallery=gallery) as other:
            owner.do("die", BEFORE)  # when it asks its challenge parts
            assert other.enroll("checks", pictures("checks", 3)).gallery == 2
            assert [entry.label for entry in other.gallery.log()] == ["first", "checks"]
        assert not socket_folder(gallery).exists()


def test_an_owner_killed_after_it_wrote_leaves_it_unknown_and_said(
    bundle: Path, gallery: Path, pictures: Pictures
) -> None:
    with (
        OwnerProcess(bundle, gallery, pictures("dots", 1)) as owner,
        Classifier.open(bundle, gallery=gallery) as other,
    ):
        owner.do("die", AFTER)  # when what it wrote is to be told to readers
        with pytest.raises(GalleryError, match="it is not known whether the act was done: look at `edgefs gallery"):
            other.enroll("checks", pictures("checks", 3))
        assert [entry.label for entry in other.gallery.log()] == ["first", "checks"]
    assert check_gallery(gallery) == []


def test_what_a_killed_owner_left_is_swept_by_the_next(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    for share in (True, False):
        with OwnerProcess(bundle, gallery, pictures("dots", 1)) as owner:
            owner.kill()
        assert (socket_folder(gallery) / "ask").is_socket()
        with Classifier.open(bundle, gallery=gallery, share=share, wait=0) as other:
            other.enroll("checks", pictures("checks", 1), force=True)
            assert socket_folder(gallery).exists() == share
        assert not socket_folder(gallery).exists()


def test_a_path_of_any_length_and_a_link_to_the_gallery_lead_to_the_owner(
    bundle: Path, pictures: Pictures, tmp_path: Path
) -> None:
    folder = tmp_path / ("x" * 120) / "产线" / ("y" * 60)
    folder.mkdir(parents=True)
    gallery, link = folder / "line.gallery", tmp_path / "link"
    assert len(os.fsencode(gallery)) > 200
    with Classifier.open(bundle, gallery=gallery) as owner:
        owner.enroll("checks", pictures("checks", 1))
        link.symlink_to(gallery)
        with Classifier.open(bundle, gallery=gallery, wait=0) as other:
            other.enroll("more", pictures("checks", 1), force=True)
        assert socket_folder(link) == socket_folder(gallery)
        assert owner.gallery.sequence == 2


def test_a_fork_of_the_owner_takes_nothing_away_when_it_ends(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle, gallery=gallery) as owner, Classifier.open(bundle, gallery=gallery, wait=0) as other:
        owner.enroll("checks", pictures("checks", 1))
        child = os.fork()
        if child == 0:
            try:
                owner.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert re.match("took back", other.undo())
        assert owner.gallery.sequence == 2
    assert check_gallery(gallery) == []


def test_a_fork_of_the_owner_asks_the_owner(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle, gallery=gallery) as owner:
        owner.enroll("checks", pictures("checks", 1))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if owner.undo().startswith("took back") else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert [entry.kind for entry in owner.gallery.log()] == ["enroll", "undo"]


def test_who_asks_is_told_where_another_head_decides_since(gallery: Path, pictures: Pictures, tmp_path: Path) -> None:
    turned = with_head(tmp_path / "turned.edgefs", model(TURNED))
    with Classifier.open(turned, gallery=gallery) as owner, Classifier.open(turned, gallery=gallery) as other:
        owner.enroll("checks", pictures("checks", 1))
        assert "blend decides" in owner.head_note
        assert other.refine(pictures("good", 1)) == {}
        assert other.head_note == ""  # nothing was done
        other.undo()
        assert "decides again" in other.head_note
        other.forget("stripes")
        assert "blend decides" in other.head_note
        assert other.judge.is_trained == owner.judge.is_trained is False

"""No part stands on two sides, the seed decides, and every note says what was done."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import SHARED

from edgefs.data import Dataset, Sample, folds, load_dataset, split_dataset
from edgefs_runtime.base.errors import DataError


def sample(name, label, group="", split="", content=None):
    digest = hashlib.sha256((name if content is None else content).encode()).hexdigest()
    return Sample(Path(name), label, group, split, digest, (8, 8), 8)


def dataset(samples, layout="flat"):
    classes = tuple(sorted({sample.label for sample in samples}))
    return Dataset(Path(), layout, tuple(samples), classes, (), "0" * 64)


def many(per_class, parts=None, split="", classes="abc"):
    """`per_class` images of each class, in `parts` groups each (None: each image a part of its own)."""
    return [
        sample(f"{split}{label}{i}", label, f"{label}-{i % parts}" if parts else "", split)
        for label in classes
        for i in range(per_class)
    ]


def sides(split):
    return {"train": split.train, "validation": split.validation, "test": split.test}


def count(samples):
    return dict(Counter(sample.label for sample in samples))


def assert_nothing_stands_on_two_sides(split):
    for key in ("digest", "group"):
        held = [{getattr(s, key) for s in side} - {""} for side in sides(split).values()]
        assert not held[0] & held[1]
        assert not held[0] & held[2]
        assert not held[1] & held[2]


@st.composite
def datasets(draw, splits=("",)):
    """Groups that may span classes, and copies of files within a class."""
    samples = []
    for label in draw(st.lists(st.sampled_from("abcd"), min_size=2, max_size=4, unique=True)):
        for i in range(draw(st.integers(1, 25))):
            group = draw(st.sampled_from(["", "", "", "shared", *(f"{label}{n}" for n in range(9))]))
            content = f"{label}{draw(st.integers(0, 40))}"
            samples.append(sample(f"{label}/{i}", label, group, draw(st.sampled_from(splits)), content))
    return dataset(samples)


@given(datasets(), st.one_of(st.none(), st.integers(1, 8)), st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_undivided_data_never_leaks_and_shots_are_exact(data, shots, seed):
    try:
        split = split_dataset(data, shots=shots, seed=seed)
    except DataError as error:
        assert shots is not None  # without shots there is always cross-validation
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert split == split_dataset(data, shots=shots, seed=seed)
    assert set(count(split.train)) == set(data.classes)
    if split.protocol == "shots":
        assert count(split.train) == dict.fromkeys(data.classes, shots)
        assert len({s.digest for s in split.train}) == len(split.train)
    if split.protocol in ("shots", "holdout"):
        assert set(count(split.test)) == set(data.classes)
    if split.protocol == "cross-validation":
        assert len(split.train) == len(data.samples)
        assert any("no independent test set" in note for note in split.notes)
    assert_nothing_stands_on_two_sides(split)


@given(datasets(("train", "train", "val", "test")), st.one_of(st.none(), st.integers(1, 4)), st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_divided_data_never_leaks(data, shots, seed):
    try:
        split = split_dataset(data, shots=shots, seed=seed)
    except DataError:
        return
    assert_nothing_stands_on_two_sides(split)
    for name, side in (("train", split.train), ("val", split.validation), ("test", split.test)):
        assert {s.split for s in side} <= {name}


@given(datasets(), st.integers(2, 6), st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_folds_keep_parts_together_and_learn_every_class(data, n_folds, seed):
    found = folds(data.samples, n_folds, seed)
    assert found == folds(data.samples, n_folds, seed)
    assert len(found) <= n_folds
    validated = [position for _, validation in found for position in validation]
    assert len(validated) == len(set(validated))
    for train, validation in found:
        assert validation
        assert sorted(train + validation) == list(range(len(data.samples)))
        assert {data.samples[position].label for position in train} == set(data.classes)
        for key in ("digest", "group"):
            values = [{getattr(data.samples[p], key) for p in side} - {""} for side in (train, validation)]
            assert not values[0] & values[1]


def test_folds_are_stratified():
    samples = many(20, classes="ab") + many(10, classes="c")
    for train, validation in folds(samples, 5, 0):
        assert count(samples[p] for p in validation) == {"a": 4, "b": 4, "c": 2}
        assert len(train) == 40


def test_folds_do_not_depend_on_the_order():
    samples = many(6)
    backwards = samples[::-1]
    named = [{samples[p].path for p in validation} for _, validation in folds(samples, 3, 1)]
    assert named == [{backwards[p].path for p in validation} for _, validation in folds(backwards, 3, 1)]


def test_one_shot_has_no_folds_and_one_fold_is_a_mistake():
    assert folds(many(1), 5, 0) == []
    with pytest.raises(ValueError, match="at least 2"):
        folds(many(5), 1, 0)


def test_shots_come_from_different_parts_when_there_are_plenty():
    split = split_dataset(dataset(many(60, parts=20)), shots=5, seed=0)
    assert len({s.group for s in split.train}) == 15
    assert count(split.test) == {"a": 45, "b": 45, "c": 45}
    assert split.validation == ()
    assert split.protocol == "shots"
    assert "Learned from: 5 shots of each of 3 classes (seed 0)" in split.notes[0]
    assert split.notes[1] == "Not used: 30 images of the same parts as the shots."


def test_seeds_differ_and_a_left_out_class_changes_nothing_for_the_others():
    drawn = [{s.path for s in split_dataset(dataset(many(50)), shots=5, seed=seed).train} for seed in range(20)]
    assert len({frozenset(paths) for paths in drawn}) == 20
    without_c = split_dataset(dataset(many(50, classes="ab")), shots=5, seed=0)
    assert {s.path for s in without_c.train} == {path for path in drawn[0] if path.name[0] != "c"}


def test_a_big_part_is_used_where_only_it_holds_enough():
    samples = [sample(f"a{i}", "a", "big" if i < 18 else f"small{i}") for i in range(20)] + many(30, classes="b")
    for seed in range(20):
        assert count(split_dataset(dataset(samples), shots=10, seed=seed).train) == {"a": 10, "b": 10}


def test_a_copy_is_no_second_shot():
    samples = [sample(f"a{i}", "a", content=f"a{i // 4}") for i in range(24)] + many(20, classes="b")
    split = split_dataset(dataset(samples), shots=4, seed=0)
    assert len({s.digest for s in split.train if s.label == "a"}) == 4
    assert "Exact copies of other files: 18 images; copies stay on one side." in split.notes


@pytest.mark.parametrize(
    ("samples", "shots", "message"),
    [
        (many(4, classes="a") + many(9, classes="b"), 5, "'a' has 4 different images in 4 parts; --shots 5 needs 5"),
        (many(5), 5, "5 images and another part for the test: add images, or ask for at most 4 shots"),
        (many(9, parts=1), 5, "'a' has 9 different images in 1 part;"),
        (many(9), 0, "--shots 0: expected at least 1"),
        (many(9, split="test"), None, "nothing to learn from: 0 images validate, 27 test"),
        ([*many(9, split="train"), sample("z", "z", split="test")], 2, "'z' has 1 image .* none to learn from"),
        (many(3, split="train") + many(3, split="test"), 4, r"'a' has 3 different images .* at most 3 shots"),
        ([sample(f"{s}{c}", c, "lot", s) for s in ("train", "test") for c in "ab"], None, "nothing to learn|none to"),
    ],
)
def test_what_cant_be_divided_is_refused(samples, shots, message):
    with pytest.raises(DataError, match=message) as caught:
        split_dataset(dataset(samples), shots=shots, seed=0)
    assert "\n" not in str(caught.value)


def test_parts_that_span_classes_are_drawn_once_or_refused():
    lots = ["g0", "g1", "g2"]
    samples = [sample(f"a{i}", "a", lots[i % 3]) for i in range(6)] + [sample(f"b{i}", "b", lots[i]) for i in range(2)]
    samples += [sample(f"c{i}", "c") for i in range(9)]
    outcomes = Counter()
    for seed in range(30):
        try:
            split = split_dataset(dataset(samples), shots=1, seed=seed)
        except DataError as error:
            outcomes[str(error)] += 1
        else:
            assert_nothing_stands_on_two_sides(split)
            assert count(split.train) == {"a": 1, "b": 1, "c": 1}
    assert sum(outcomes.values()) < 30
    assert all("touches all of them; nothing is left for the test" in error for error in outcomes)


def test_folds_learn_a_class_whose_parts_all_belong_to_others_too():
    pairs = [("a", "x"), ("b", "x"), ("a", "y"), ("b", "y"), ("c", "x"), ("c", "y"), ("a", "z")]
    samples = [sample(f"{label}{group}", label, group) for label, group in pairs]
    for seed in range(10):
        for train, _ in folds(samples, 2, seed):
            assert {samples[p].label for p in train} == {"a", "b", "c"}


def test_without_shots_three_parts_are_stratified():
    split = split_dataset(dataset(many(100) + many(20, classes="d")), shots=None, seed=0)
    assert split.protocol == "holdout"
    assert count(split.train) == {"a": 60, "b": 60, "c": 60, "d": 12}
    assert count(split.validation) == count(split.test) == {"a": 20, "b": 20, "c": 20, "d": 4}
    assert split.notes[0].endswith("192 train, 64 validation, 64 test images.")
    other = split_dataset(dataset(many(100) + many(20, classes="d")), shots=None, seed=1)
    assert other.train != split.train


def test_uneven_parts_come_near_the_shares():
    samples = [sample(f"{c}{i}", c, f"{c}{int(i**0.5)}") for c in "ab" for i in range(100)]
    split = split_dataset(dataset(samples), shots=None, seed=0)
    for side, share in (("train", 60), ("validation", 20), ("test", 20)):
        assert all(abs(number - share) <= 8 for number in count(sides(split)[side]).values())


@pytest.mark.parametrize("small", [many(5, classes="z"), many(40, parts=4, classes="z")])
def test_a_small_class_means_cross_validation(small):
    split = split_dataset(dataset(many(50) + small), shots=None, seed=0)
    assert split.protocol == "cross-validation"
    assert split.validation == split.test == ()
    assert len(split.train) == 150 + len(small)
    assert "There is no independent test set: class 'z' has" in split.notes[0]


def test_a_given_split_is_kept():
    samples = many(6, split="train") + many(3, split="val") + many(2, split="test")
    split = split_dataset(dataset(samples, "split"), shots=None, seed=0)
    assert split.protocol == "given"
    assert [len(side) for side in sides(split).values()] == [18, 9, 6]
    assert split.notes == ("The split came with the data: 18 train, 9 validation, 6 test images.",)


def test_shots_of_a_given_split_come_from_train():
    samples = many(6, split="train") + many(3, split="val") + many(2, split="test")
    split = split_dataset(dataset(samples, "split"), shots=6, seed=0)
    assert count(split.train) == {"a": 6, "b": 6, "c": 6}
    assert [len(side) for side in sides(split).values()] == [18, 9, 6]
    assert split.protocol == "shots"


def test_a_missing_test_part_is_said():
    split = split_dataset(dataset(many(6, split="train") + many(3, split="val")), shots=None, seed=0)
    assert (len(split.validation), split.test, split.protocol) == (9, (), "given")
    assert split.notes[-1] == "There is no independent test set: the data has no test part."
    alone = split_dataset(dataset(many(6, split="train")), shots=2, seed=0)
    assert (alone.validation, alone.test, alone.protocol) == ((), (), "shots")


def test_copies_across_a_given_split_are_only_tested():
    samples = [*many(6, split="train"), *many(2, split="test"), sample("copy", "a", split="train", content="testa0")]
    split = split_dataset(dataset(samples), shots=None, seed=0)
    assert_nothing_stands_on_two_sides(split)
    assert len(split.test) == 6
    assert "1 part (a group, or copies of one file) stood on two sides" in " ".join(split.notes)


def test_a_class_that_nothing_tests_is_named():
    samples = many(6, split="train") + many(2, split="test", classes="ab")
    assert "No image tests the classes c." in split_dataset(dataset(samples), shots=None, seed=0).notes


def mvtec(defects=10):
    good = [sample(f"train/good/{i}", "good", split="train") for i in range(40)]
    tested = [sample(f"test/good/{i}", "good", split="test") for i in range(8)]
    defective = [sample(f"test/{c}/{i}", c, f"{c}{i // 2}", "test") for c in ("hole", "dent") for i in range(defects)]
    return dataset(good + tested + defective, "mvtec")


def test_mvtec_defects_are_halved():
    split = split_dataset(mvtec(), shots=None, seed=0)
    assert count(split.train)["good"] == 40
    assert count(split.test)["good"] == 8
    assert all(4 <= count(split.train)[label] <= 6 for label in ("hole", "dent"))
    assert len(split.train) + len(split.test) == 68
    assert split.notes[0].startswith("Defects lie in test/ only, so half of each defect class was moved")
    assert_nothing_stands_on_two_sides(split)


def test_mvtec_shots_are_drawn_of_every_class():
    split = split_dataset(mvtec(), shots=3, seed=0)
    assert count(split.train) == {"good": 3, "hole": 3, "dent": 3}
    assert count(split.test)["good"] == 8
    assert set(count(split.test)) == {"good", "hole", "dent"}
    assert_nothing_stands_on_two_sides(split)


def test_mvtec_with_one_defective_part_is_refused():
    with pytest.raises(DataError, match="'dent' has 1 part, all in test/; it takes at least 2"):
        split_dataset(mvtec(defects=2), shots=None, seed=0)


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="magnetic_tile: ../shared/data is absent")
def test_rare_classes_of_real_data_can_be_drawn_with_any_seed():
    tiles = load_dataset(SHARED / "data" / "magnetic_tile" / "parts.csv")
    for seed in range(50):
        for shots in (5, 20):
            split = split_dataset(tiles, shots=shots, seed=seed)
            assert count(split.train) == dict.fromkeys(tiles.classes, shots)
            assert_nothing_stands_on_two_sides(split)


def test_strangers_of_the_parts_learned_from_are_left_out_and_counted():
    """A bar shows good faces and cracked ones: its cracks say nothing new of a model that learned its good faces."""
    good = [sample(f"good{i}", "good", f"bar{i % 10}") for i in range(60)]
    cracked = [sample(f"crack{i}", "crack", f"bar{i}") for i in range(20)]
    split = split_dataset(dataset([*good, *cracked]), strangers={"crack"}, shots=None, seed=0)
    assert_nothing_stands_on_two_sides(split)
    left = 20 - count(split.test)["crack"]
    assert 0 < left < 20
    assert f"Not used: {left} images of theirs, of the same parts as those learned from." in split.notes[-1]
    alone = split_dataset(
        dataset([sample(f"good{i}", "good") for i in range(60)] + cracked), strangers={"crack"}, shots=None, seed=0
    )
    assert "Not used" not in alone.notes[-1]

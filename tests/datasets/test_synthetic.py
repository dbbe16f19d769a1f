import hashlib
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from samples import read_bgr

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.synthetic import EFFECTS, Scene, effects_of, make_scene, sequence_name, synthesize
from trackbench.datasets.synthetic.files import anchors
from trackbench.datasets.synthetic.render import FrameTruth
from trackbench.errors import DataError, UsageError
from trackbench.regions import Box, Mask, Polygon, box_iou, mask_to_box, overlap, polygon_to_box, region_to_mask

SIZE = (160, 120)
BY_NAME = {effect.name: effect for effect in EFFECTS}


def scene(*effects: str, seed: int = 5, frames: int = 120) -> Scene:
    return Scene(np.random.SeedSequence(seed), tuple(BY_NAME[name] for name in effects), frames, SIZE)


def ground_truths(of: Scene) -> list[FrameTruth]:
    return [of.ground_truth(index) for index in range(of.frames)]


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- which effects -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [10, 12, 25, 60])
def test_every_attribute_occurs_at_least_twice(count: int) -> None:
    planned = [effect.name for index in range(count) for effect in effects_of(index)]
    assert all(planned.count(effect.name) >= 2 for effect in EFFECTS)
    assert all(len(effects_of(index)) == len(set(effects_of(index))) == 2 for index in range(count))


def test_attributes_of_the_truth_are_those_that_were_planned() -> None:
    for index in range(12):
        seen = frozenset[str]().union(
            *(ground_truth.tags for ground_truth in ground_truths(make_scene(index, size=SIZE)))
        )
        assert seen == {effect.name for effect in effects_of(index)}, sequence_name(index)


@pytest.mark.parametrize("seed", range(3))
def test_the_target_is_whole_at_the_start(seed: int) -> None:
    for index in range(10):
        first = make_scene(index, seed=seed, size=SIZE).ground_truth(0)
        assert not first.absent
        assert not first.tags & {"occlusion", "outofview"}


# --- ground truth and pixels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "effects", [(), ("rotation", "scale"), ("deformation", "illumination"), ("camera", "distractors")]
)
def test_truth_is_where_the_pixels_are(effects: tuple[str, ...]) -> None:
    full, without = scene(*effects), scene(*effects)
    without.target = replace(without.target, texture=np.zeros_like(without.target.texture))
    for index in (0, 40, 60, 119):
        ground_truth = full.ground_truth(index)
        # What differs with and without the target is what it covers, be it a part of a pixel.
        touched = (full.image(index) != without.image(index)).any(2)
        mask = ground_truth.mask.window(0, 0, *SIZE)
        assert overlap(Mask(touched), ground_truth.mask) > 0.85
        inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        outer = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert not (touched & ~outer).any()
        assert touched[inner].mean() > 0.98  # a pixel may have the ground's colour by chance

        assert np.abs(mask_to_box(ground_truth.mask).array() - ground_truth.box.array()).max() < 1.5
        polygon = region_to_mask(ground_truth.polygon).window(0, 0, *SIZE)
        assert 0.6 < mask.sum() / polygon.sum() < 1.05
        assert (mask & ~polygon).sum() < 0.02 * mask.sum()
        around = polygon_to_box(ground_truth.polygon)
        assert around.x <= ground_truth.box.x + 1e-9
        assert around.x + around.w >= ground_truth.box.x + ground_truth.box.w - 1e-9


def test_without_rotation_polygon_and_box_are_the_same() -> None:
    for ground_truth in ground_truths(scene("scale", "deformation")):
        np.testing.assert_allclose(polygon_to_box(ground_truth.polygon).array(), ground_truth.box.array(), atol=1e-9)


# --- what each effect does -----------------------------------------------------------------------------------------


def centres(all_truths: list[FrameTruth]) -> np.ndarray:
    return np.array([ground_truth.polygon.points.mean(0) for ground_truth in all_truths])


def angles(all_truths: list[FrameTruth]) -> np.ndarray:
    top = np.array([ground_truth.polygon.points[1] - ground_truth.polygon.points[0] for ground_truth in all_truths])
    return np.rad2deg(np.unwrap(np.arctan2(top[:, 1], top[:, 0])))


def areas(all_truths: list[FrameTruth]) -> np.ndarray:
    return np.array([ground_truth.mask.array.sum() for ground_truth in all_truths], float)


def test_translation_is_faster() -> None:
    plain, fast = (
        np.linalg.norm(np.diff(centres(ground_truths(scene(*e))), axis=0), axis=1) for e in ((), ("translation",))
    )
    assert fast.sum() > 2 * plain.sum()


def test_scale_changes_the_area() -> None:
    plain, scaled = areas(ground_truths(scene())), areas(ground_truths(scene("scale")))
    assert plain.max() / plain.min() < 1.1
    assert scaled.max() / scaled.min() > 1.8


def test_rotation_turns_the_polygon() -> None:
    plain, turned = ground_truths(scene()), ground_truths(scene("rotation"))
    np.testing.assert_allclose(angles(plain), 0, atol=1e-9)
    steps = np.abs(np.diff(angles(turned)))
    assert abs(angles(turned)[-1]) > 90
    assert steps.max() < 3
    tagged = np.array(["rotation" in ground_truth.tags for ground_truth in turned])
    assert (steps[tagged[1:]] > 0).all()
    np.testing.assert_allclose(steps[~tagged[1:]], 0, atol=1e-9)
    np.testing.assert_allclose(areas(turned), areas(plain), rtol=0.06)


def test_deformation_changes_the_shape_but_not_the_area() -> None:
    bent = ground_truths(scene("deformation"))
    sides = np.array([ground_truth.box.array()[2:] for ground_truth in bent])
    assert (np.ptp(sides, axis=0) > 1).all()
    assert areas(bent).max() / areas(bent).min() < 1.1
    first, middle = (cv2.resize(bent[i].mask.array.astype(np.uint8), (40, 40)) > 0 for i in (0, 60))
    assert (first != middle).mean() > 0.03


def test_illumination_changes_the_brightness() -> None:
    plain, lit = ([float(s.image(i).mean()) for i in range(0, 120, 8)] for s in (scene(), scene("illumination")))
    assert max(plain) / min(plain) < 1.05
    assert max(lit) / min(lit) > 1.5


def test_blur_smears_what_moves() -> None:
    blurred, sharp = scene("blur"), scene("blur")
    sharp.script.shutter[:] = 0
    fastest = int(np.linalg.norm(np.diff(centres(ground_truths(sharp)), axis=0), axis=1).argmax())
    inside = sharp.ground_truth(fastest).mask.window(0, 0, *SIZE)
    detail = [cv2.Laplacian(s.image(fastest).astype(np.float32), cv2.CV_32F)[inside].std() for s in (blurred, sharp)]
    assert detail[0] < 0.7 * detail[1]
    assert sharp.ground_truth(fastest) == blurred.ground_truth(fastest)


def test_occlusion_hides_the_target_for_a_while() -> None:
    plain, hidden = ground_truths(scene()), ground_truths(scene("occlusion"))
    assert areas(hidden).min() == 0
    assert any(ground_truth.absent for ground_truth in hidden)
    assert all("occlusion" in ground_truth.tags for ground_truth in hidden if ground_truth.absent)
    assert [ground_truth.polygon for ground_truth in hidden] == [ground_truth.polygon for ground_truth in plain]
    clear = np.array(["occlusion" not in ground_truth.tags for ground_truth in hidden])
    assert 20 < (~clear).sum() < 70
    np.testing.assert_array_equal(areas(hidden)[clear], areas(plain)[clear])


def test_out_of_view_leaves_and_comes_back() -> None:
    away = ground_truths(scene("outofview"))
    absent = np.array([ground_truth.absent for ground_truth in away])
    assert absent.any()
    assert not absent[0]
    assert not absent[-1]
    for ground_truth in away:
        x, y, w, h = ground_truth.box.numbers()
        inside = x >= 0 and y >= 0 and x + w <= SIZE[0] and y + h <= SIZE[1]
        assert ("outofview" in ground_truth.tags) == (not inside)
        if ground_truth.absent:
            assert box_iou(ground_truth.box.array(), np.array([0.0, 0, *SIZE])) < 0.01


def test_distractors_come_near_and_never_touch() -> None:
    busy = scene("distractors", "scale")
    target = busy.script.target
    nearest = np.min([np.hypot(*(pose - target)[:, :2].T) for pose in busy.script.distractors], 0)
    diameter = 2 * busy.target.half.max() * target[:, 2]
    assert (nearest > diameter).all()
    assert (nearest / diameter).min() < 1.8
    assert len(busy.script.distractors) == 3


def test_camera_shifts_the_background() -> None:
    still, moving = scene(), scene("camera")
    corner = (slice(0, 24), slice(0, 24))
    changes = []
    for each in (still, moving):
        pair = [each.image(i)[corner].astype(float) for i in (0, 60)]
        changes.append(np.abs(pair[0] - pair[1]).mean())
    assert changes[1] > 2 * changes[0]
    assert np.abs(moving.script.camera).max() > 4


# --- reproducibility -----------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, count in (("a", 3), ("b", 3), ("longer", 4)):
        synthesize(tmp_path / name, count, frames=12, seed=9, size=SIZE)
    first = digests(tmp_path / "a")
    assert digests(tmp_path / "b") == first
    longer = digests(tmp_path / "longer")
    assert {name: longer[name] for name in first if name.startswith("synth0")} == {
        name: digest for name, digest in first.items() if name.startswith("synth0")
    }
    synthesize(tmp_path / "other", 3, frames=12, seed=10, size=SIZE)
    other = digests(tmp_path / "other")
    assert not {other[name] for name in other if name.endswith(".jpg")} & set(first.values())


def test_image_and_truth_do_not_depend_on_the_order_of_the_calls() -> None:
    one, two = make_scene(5, size=SIZE), make_scene(5, size=SIZE)
    last = one.image(100)
    for index in range(90, 101):
        two.ground_truth(index)
        image = two.image(index)
    np.testing.assert_array_equal(image, last)


# --- on disk -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ground_truth", ["polygon", "box", "mask"])
def test_vot_round_trip(tmp_path: Path, ground_truth: str) -> None:
    names = synthesize(tmp_path / "set", 5, frames=60, size=SIZE, ground_truth=ground_truth)  # type: ignore[arg-type]
    dataset = open_dataset(str(tmp_path / "set"))
    assert [s.name for s in dataset.sequences] == names == [sequence_name(i) for i in range(5)]
    away = dataset[names[4]]
    source = make_scene(4, frames=60, size=SIZE)
    assert away.size == SIZE
    assert away.attributes == ("illum_change", "out_of_view")
    assert [path.name for path in away.frames[:2]] == ["00000001.jpg", "00000002.jpg"]
    assert read_bgr(away.frames[30]).shape == (120, 160, 3)
    difference = read_bgr(away.frames[30])[..., ::-1].astype(float) - source.image(30)
    assert np.abs(difference).mean() < 6  # JPEG

    assert away.ground_truth.absent is not None
    assert 0 < away.ground_truth.absent.sum() < 60
    for index, expected in enumerate(ground_truths(source)):
        assert away.ground_truth.absent[index] == expected.absent
        assert away.ground_truth.tags["out_of_view"][index] == ("outofview" in expected.tags)
        region = away.region(index)
        if expected.absent:
            assert np.isnan(away.ground_truth.boxes[index]).all()
        elif ground_truth == "polygon":
            assert isinstance(region, Polygon)
            np.testing.assert_allclose(region.points, expected.polygon.points, atol=5.1e-4)
        elif ground_truth == "box":
            assert isinstance(region, Box)
            np.testing.assert_allclose(region.array(), expected.box.array(), atol=5.1e-4)
        else:
            assert region == expected.mask
    np.testing.assert_array_equal(away.ground_truth.values["anchor"], anchors(ground_truths(source)))


def test_otb_round_trip(tmp_path: Path) -> None:
    names = synthesize(tmp_path / "set", 5, frames=60, size=SIZE, layout="otb")
    sequence = open_dataset(str(tmp_path / "set"))[names[4]]
    assert sequence.attributes == ("IV", "OV")
    assert [path.name for path in sequence.frames[:2]] == ["0001.jpg", "0002.jpg"]
    for box, expected in zip(
        sequence.ground_truth.boxes, ground_truths(make_scene(4, frames=60, size=SIZE)), strict=True
    ):
        if expected.absent:
            assert np.isnan(box).all()
        else:
            np.testing.assert_allclose(box, expected.box.array(), atol=5.1e-4)


def test_description_names_the_attributes(tmp_path: Path) -> None:
    names = synthesize(tmp_path, 2, frames=40, size=SIZE, seed=3)
    description = json.loads((tmp_path / "synthetic.json").read_text())
    assert description["sequences"][1] == {
        "name": "synth002_scale_illumination",
        "frames": 40,
        "attributes": ["size_change", "illum_change"],
    }
    assert description["attributes"]["size_change"] == "scale variation"
    assert (description["seed"], description["size"], description["layout"]) == (3, [160, 120], "vot")
    assert (tmp_path / "list.txt").read_text().split() == names


def test_anchors_start_on_the_longer_side_where_the_target_is_clear() -> None:
    region = make_scene(0, frames=2, size=SIZE).ground_truth(0)
    clear, hidden = region._replace(tags=frozenset()), region._replace(tags=frozenset({"occlusion"}))
    values = anchors([clear] * 101)
    assert {i: v for i, v in enumerate(values) if v} == {0: 1, 50: 1, 100: -1}
    values = anchors([clear] * 40 + [hidden] * 20 + [clear] * 41)
    assert [i for i, v in enumerate(values) if v] == [0, 60, 100]
    assert anchors([clear]) == [1]
    assert anchors([hidden]) == [0]


def test_progress_counts_frames(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    synthesize(tmp_path, 2, frames=3, size=(64, 64), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 6) for n in range(1, 7)]


def test_a_synthetic_set_is_replaced_and_nothing_else_is_touched(tmp_path: Path) -> None:
    synthesize(tmp_path, 3, frames=2, size=(64, 64))
    (tmp_path / "notes.txt").write_text("mine")
    synthesize(tmp_path, 1, frames=4, size=(64, 64), layout="otb")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "list.txt",
        "notes.txt",
        "synth001_translation_deformation",
        "synthetic.json",
    ]
    assert len(open_dataset(str(tmp_path)).sequences[0].frames) == 4


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"is not empty and not a synthetic set \(it has no synthetic.json\)"):
        synthesize(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]
    with pytest.raises(UsageError, match="is a file"):
        synthesize(tmp_path / "photo.jpg")


def test_a_forged_description_removes_no_other_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "set", tmp_path / "outside"
    (folder / "mine").mkdir(parents=True)
    outside.mkdir()
    entries = [{"name": "../outside"}, {"name": "mine"}, {"name": "."}, "x"]
    (folder / "synthetic.json").write_text(json.dumps({"schema": 1, "sequences": entries}))
    synthesize(folder, 1, frames=2, size=(64, 64))
    assert outside.is_dir()
    assert (folder / "mine").is_dir()
    (folder / "synthetic.json").write_text("[]")
    with pytest.raises(DataError, match="does not describe a synthetic set"):
        synthesize(folder)


def test_an_interrupted_run_leaves_what_was_there(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(tmp_path / "new", 2, frames=2, size=(64, 64), progress=interrupt)
    assert list((tmp_path / "new").iterdir()) == []
    synthesize(tmp_path / "old", 1, frames=2, size=(64, 64))
    before = digests(tmp_path / "old")
    with pytest.raises(KeyboardInterrupt):
        synthesize(tmp_path / "old", 2, frames=2, seed=1, size=(64, 64), progress=interrupt)
    assert digests(tmp_path / "old") == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequences": 0}, "sequences is 0; expected 1 to 100000"),
        ({"frames": 1}, "frames is 1; expected 2 to 100000"),
        ({"seed": -1}, "seed is -1; expected 0 or more"),
        ({"fps": 0}, "fps is 0; expected 1 to 1000"),
        ({"size": (320, 20)}, "size is 320x20; expected 64x64 to 4096x4096"),
        ({"layout": "coco"}, "layout is coco; expected vot or otb"),
        ({"ground_truth": "point"}, "truth is point; expected polygon, box or mask"),
        ({"layout": "otb", "ground_truth": "mask"}, "the OTB layout holds boxes"),
    ],
)
def test_arguments_out_of_range(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        synthesize(tmp_path / "set", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(("frames", "size"), [(2, (64, 64)), (7, (200, 64)), (330, (64, 90))])
def test_extreme_lengths_and_sizes(frames: int, size: tuple[int, int]) -> None:
    for index in range(10):
        made = make_scene(index, frames=frames, size=size)
        for frame in {0, frames // 2, frames - 1}:
            assert made.image(frame).shape == (size[1], size[0], 3)
            assert np.isfinite(made.ground_truth(frame).polygon.points).all()

"""CO3D: with and without annotations."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streamseg.errors import SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import Options, Recording, Skip, open_source
from streamseg.sources.co3d import intrinsics_of
from streamseg.sources.co3d import open as open_co3d

pytestmark = pytest.mark.usefixtures("cache")


def check_frame(frame: Any, width: int, unit: float) -> None:
    assert frame.rgb.shape == (48, width, 3)
    expected = np.zeros((48, width))
    expected[10:20, 10:20] = 1
    assert np.array_equal(frame.annotation, expected)
    depth = np.full((48, width), 1.5 * unit)
    depth[0, :2] = 0  # not finite
    depth[1] = 0  # masked out
    assert np.array_equal(frame.depth, depth)


def test_annotated(tmp_path: Path, make: Any) -> None:
    source = open_source(str(make.co3d(tmp_path)))
    assert (source.kind, len(source)) == ("co3d", 3)
    for i in range(3):
        frame = source[i]
        check_frame(frame, 64 + i, unit=2.0)
        assert (frame.name, frame.timestamp) == (f"frame{i + 1:06d}", 2.0 + i)


def test_a_sequence_without_annotations_is_read(tmp_path: Path, make: Any) -> None:
    source = open_source(str(make.co3d(tmp_path, annotated=False)))
    assert (source.kind, len(source)) == ("co3d", 3)
    check_frame(source[1], 65, unit=1.0)
    assert source[1].intrinsics is None


def test_a_parent_with_one_sequence_opens_with_several_is_an_error(tmp_path: Path, make: Any) -> None:
    sequence = make.co3d(tmp_path / "data")
    assert len(open_source(str(sequence.parent))) == len(open_source(str(tmp_path / "data"))) == 3
    other = sequence.parent / "77_88_99"
    sequence.rename(other)
    make.co3d(tmp_path / "data")
    with pytest.raises(SourceError, match="2 CO3D sequences") as caught:
        open_source(str(sequence.parent))
    assert f"co3d:{sequence}" in caught.value.hint


def test_listed_but_absent_and_malformed_annotations_are_counted(tmp_path: Path, make: Any) -> None:
    sequence = make.co3d(tmp_path)
    (sequence / "images/frame000002.jpg").unlink()
    index = sequence.parent / "frame_annotations.jgz"
    with gzip.open(index, "rt") as file:
        records = json.load(file)
    for record in records:
        if record.get("frame_number") == 102:
            del record["image"]
    with gzip.open(index, "wt") as file:
        json.dump(records, file)
    source = open_source(str(sequence))
    assert len(source) == 1
    assert source.skipped == (Skip("frame000002", "missing file"), Skip("annotation 2", "malformed annotation"))


def test_damaged_annotations(tmp_path: Path, make: Any) -> None:
    index = make.co3d(tmp_path).parent / "frame_annotations.jgz"
    for content in (index.read_bytes()[:60], b"no gzip", gzip.compress(b'{"not": "a list"}')):
        index.write_bytes(content)
        with pytest.raises(SourceError, match="cannot be read"):
            open_source(str(index.parent))


def test_cameras_project_like_pytorch3d() -> None:
    """Compared with a point projected by PyTorch3D's definition (+x left, +y up), with NDC mapped to pixels."""
    size, focal, centre = [480, 640], np.array([2.0, 2.5]), np.array([0.1, -0.2])
    point = np.array([0.3, -0.4, 2.0])  # x left, y up, z forward
    ndc = focal * point[:2] / point[2] + centre
    for form, unit in (("ndc_norm_image_bounds", np.array([320, 240])), ("ndc_isotropic", np.array([240, 240]))):
        found = intrinsics_of({"focal_length": focal, "principal_point": centre, "intrinsics_format": form}, size)
        assert isinstance(found, Intrinsics)
        x, y, z = point * [-1, -1, 1]  # x right, y down
        ours = np.array([found.fx * x / z + found.cx, found.fy * y / z + found.cy])
        np.testing.assert_allclose(ours, np.array([320, 240]) - ndc * unit)


def test_real_sequences(shared: Path) -> None:
    for name in ("co3d_hydrant", "co3d_backpack"):
        source = open_co3d(str(shared / "data" / name), Options())
        assert len(source) == 10
        shares = [float(np.mean(source[i].annotation)) for i in (0, 9)]
        assert all(0.05 < share < 0.6 for share in shares)


ONE, OTHER = "194_20925_42241", "346_36107_66565"


def record(image: Path, root: Path, number: int) -> dict[str, Any]:
    """Return the annotation of a frame as in CO3D 2; frame numbers differ from those in the file names."""
    path = image.relative_to(root).as_posix()
    with Image.open(image) as picture:
        size = picture.size[::-1]
    return {
        "sequence_name": image.parents[1].name,
        "frame_number": 10 + number,
        "frame_timestamp": number / 10,
        "image": {"path": path, "size": size},
        "depth": None,
        "mask": {"path": path.replace("images", "masks").replace("jpg", "png"), "mass": 1e5},
        "viewpoint": {
            "R": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            "T": [0.0, 0.0, 5.0],
            "focal_length": [2.1, 2.2],
            "principal_point": [0.0, 0.0],
            "intrinsics_format": "ndc_norm_image_bounds",
        },
        "meta": {"frame_type": "train", "frame_splits": ["multisequence_train"]},
    }


@pytest.fixture
def category(shared: Path, tmp_path: Path) -> Path:
    """Return a category in CO3D's layout with two real sequences and the set lists of both versions."""
    folder = tmp_path / "co3d" / "hydrant"
    records: dict[str, list[dict[str, Any]]] = {}
    for name in (f"co3d_hydrant/hydrant/{ONE}", f"co3d_backpack/backpack/{OTHER}"):
        sequence = folder / Path(name).name
        sequence.parent.mkdir(parents=True, exist_ok=True)
        sequence.symlink_to(shared / "data" / name)
        images = sorted((sequence / "images").iterdir())
        records[sequence.name] = [record(image, tmp_path / "co3d", i) for i, image in enumerate(images)]
    with gzip.open(folder / "frame_annotations.jgz", "wt") as file:
        json.dump(records[OTHER] + records[ONE], file)

    def entries(name: str, *numbers: int) -> list[list[Any]]:
        return [[name, 10 + i, records[name][i]["image"]["path"]] for i in numbers]

    few = {"train": entries(ONE, 0, 2, 5) + entries(OTHER, 1, 3), "val": [], "test": entries(ONE, 7)}
    many = {"train": entries(OTHER, 0, 1, 2), "val": entries(OTHER, 4), "test": entries(OTHER, 5)}
    old = {"train_known": [entry[:2] for entry in entries(ONE, 1, 8)], "test_unseen": entries(OTHER, 9)}
    (folder / "set_lists").mkdir()
    for name, content in (("set_lists/set_lists_fewview_dev", few), ("set_lists/set_lists_manyview_dev_0", many)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "set_lists.json").write_text(json.dumps(old))
    return folder


def frames(uri: str) -> list[int]:
    """Return which of the ten frames of its sequence a source has."""
    source = opened(uri)
    return [round(source[i].timestamp * 10) for i in range(len(source))]


def opened(uri: str) -> Recording:
    source = open_source(uri)
    assert isinstance(source, Recording)
    return source


def test_a_subset_has_only_its_frames(category: Path) -> None:
    assert frames(f"co3d:{category / ONE}#fewview_dev/train") == [0, 2, 5]
    assert frames(f"{category / ONE}#fewview_dev") == [0, 2, 5, 7]
    assert frames(f"{category / OTHER}#fewview_dev/train") == [1, 3]
    assert frames(f"{category / ONE}#train_known") == [1, 8]
    assert frames(str(category / ONE)) == list(range(10))
    # a subset with one sequence opens by the category or the whole data set, too
    assert frames(f"co3d:{category}#manyview_dev_0/train") == [0, 1, 2]
    assert frames(f"{category.parent}#test_unseen") == [9]
    frame = opened(f"{category / ONE}#fewview_dev/train")[1]
    assert frame.name == sorted(path.stem for path in (category / ONE / "images").iterdir())[2]
    assert frame.intrinsics is not None
    assert frame.annotation is not None


def test_a_subset_is_found_without_annotations(category: Path) -> None:
    (category / "frame_annotations.jgz").unlink()
    names = sorted(path.stem for path in (category / ONE / "images").iterdir())
    source = opened(f"co3d:{category / ONE}#fewview_dev/train")
    assert [source.name_of(i) for i in range(len(source))] == [names[i] for i in (0, 2, 5)]


def test_subsets_that_are_refused(category: Path) -> None:
    with pytest.raises(SourceError, match="'fewview_dev/trian'") as caught:
        open_source(f"co3d:{category}#fewview_dev/trian")
    assert "did you mean 'fewview_dev/train'" in caught.value.hint
    with pytest.raises(SourceError, match="2 fewview_dev/train sequences") as caught:
        open_source(f"co3d:{category}#fewview_dev/train")
    assert caught.value.hint.endswith(f"co3d:{category / ONE}#fewview_dev/train")
    assert frames(caught.value.hint.split("e.g. ")[1]) == [0, 2, 5]
    with pytest.raises(SourceError, match="no manyview_dev_0 sequence"):
        open_source(f"co3d:{category / ONE}#manyview_dev_0")
    (category / "set_lists" / "set_lists_fewview_dev.json").write_text('{"train": [["a"]]}')
    with pytest.raises(SourceError, match="cannot be read"):
        open_source(f"co3d:{category / ONE}#fewview_dev")


def test_without_set_lists_a_subset_is_refused(tmp_path: Path, make: Any) -> None:
    with pytest.raises(SourceError, match="no set list") as caught:
        open_source(f"co3d:{make.co3d(tmp_path)}#fewview_dev")
    assert "leave #" in caught.value.hint
    folder = make.co3d(tmp_path / "a#b")  # the name of a folder may contain #
    assert len(opened(str(folder))) == 3

"""ROS bags: frames are read back from every container, and broken files are errors."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamseg.errors import SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import Options, Recording, open_source
from streamseg.sources.reading.lenses import Calibration, Lens, register
from tests.unit.sources.bags import CONTAINERS, Writer, compressed_depth, write_tum_like

SIZE = (48, 64)
SECOND = 10**9


def scene(make: Any, count: int = 4) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Write a bag with the same frames as `make.tum`."""
    frames = []
    for i in range(count):
        depth = np.full(SIZE, (5000 + 500 * i) / 5000, np.float32)
        depth[0, 0] = 0
        frames.append((100 + i / 30, make.texture(i), depth))
    return frames


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_bag_reads_as_the_same_data_in_a_tum_folder(container: str, tmp_path: Path, make: Any) -> None:
    path = write_tum_like(tmp_path / ("r" if container == "folder" else "r.bag"), scene(make), container)
    folder = open_source(str(make.tum(tmp_path / "rgbd_dataset_freiburg1_desk")))
    bag = open_source(str(path))
    assert isinstance(bag, Recording)
    assert isinstance(folder, Recording)
    assert bag.kind == "bag"
    assert len(bag) == len(folder) == 4
    for i in (3, 0, 1, 2):
        one, other = bag[i], folder[i]
        assert (one.name, round(one.timestamp, 6)) == (other.name, round(other.timestamp, 6))
        assert np.array_equal(one.rgb, other.rgb)
        assert one.depth is not None
        assert other.depth is not None
        np.testing.assert_allclose(one.depth, other.depth, rtol=1e-6)
        assert one.intrinsics == Intrinsics(525.0, 524.0, 32.0, 24.0)
    assert bag.depth_scale == 1.0
    assert bag.fps == pytest.approx(30, rel=0.01)
    assert "colour /camera/rgb/image_color, depth /camera/depth/image" in bag.notes[0]


@pytest.mark.parametrize("container", CONTAINERS)
def test_compressed_containers_are_read(container: str, tmp_path: Path, make: Any) -> None:
    if container == "db3":
        pytest.skip("a lone .db3 does not say that its messages are compressed; its folder does")
    out = (
        Writer(tmp_path / "r", container, compressed=True)
        if container != "bag"
        else Writer(tmp_path / "r.bag", "bag", True)
    )
    for i in range(3):
        out.image("/c", SECOND + i, make.texture(i), "rgb8")
    source = open_source(f"bag:{out.close()}")
    assert [np.array_equal(source[i].rgb, make.texture(i)) for i in (2, 0, 1)] == [True] * 3


def test_aligned_depth_goes_before_other_depth_and_raw_before_its_twin(tmp_path: Path, make: Any) -> None:
    """Write a bag with the topics of realsense-ros."""
    out = Writer(tmp_path / "r", "folder")
    png = cv2.imencode(".png", make.texture(9))[1].tobytes()
    far, near = np.full(SIZE, 3000, np.uint16), np.full(SIZE, 1500, np.uint16)
    for i in range(3):
        stamp = (100 + i) * SECOND
        out.compressed("/camera/color/image_raw/compressed", stamp, png, "rgb8; png compressed bgr8")
        out.image("/camera/infra1/image_rect_raw", stamp, make.texture(7)[..., 0], "mono8", "infra1")
        out.image("/camera/depth/image_rect_raw", stamp, far, "16UC1", "depth")
        out.image("/camera/aligned_depth_to_color/image_raw", stamp, near, "16UC1", "color")
        out.image("/camera/color/image_raw", stamp, make.texture(i), "rgb8", "color")
        out.info("/camera/color/camera_info", stamp, SIZE, (60.0, 61.0, 32.5, 23.5), frame="color")
    path = str(out.close())
    source = open_source(path)
    assert "colour /camera/color/image_raw, depth /camera/aligned_depth_to_color/image_raw" in source.notes[0]
    frame = source[1]
    assert np.array_equal(frame.rgb, make.texture(1))
    assert np.unique(frame.depth).tolist() == pytest.approx([1.5])
    assert frame.intrinsics == Intrinsics(60.0, 61.0, 32.5, 23.5)
    chosen = open_source(f"bag:{path}#/camera/infra1/image_rect_raw,/camera/depth/image_rect_raw")
    assert np.array_equal(chosen[0].rgb, np.repeat(make.texture(7)[..., :1], 3, axis=2))
    assert np.unique(chosen[0].depth).tolist() == pytest.approx([3.0])
    assert len(open_source(f"{path}#/camera/color/image_raw/compressed")) == 3
    with pytest.raises(SourceError, match="has no image topic /other; it has: /camera") as problem:
        open_source(f"bag:{path}#/other")
    assert "#/camera/color" in problem.value.hint
    with pytest.raises(SourceError, match="is depth, not colour"):
        open_source(f"bag:{path}#/camera/depth/image_rect_raw")


def test_unaligned_depth_is_registered_with_tf_static(tmp_path: Path, make: Any) -> None:
    out = Writer(tmp_path / "r", "mcap")
    depth = np.full((40, 50), 2000, np.uint16)
    depth[10:20, 10:20] = 1000
    stamp = 100 * SECOND
    out.static(stamp, "base", "color", (0.05, 0.0, 0.0))
    out.static(stamp, "base", "depth", (-0.02, 0.0, 0.01))
    out.image("/camera/color/image_raw", stamp, make.texture(0), "rgb8", "color")
    out.info("/camera/color/camera_info", stamp, SIZE, (60.0, 61.0, 32.5, 23.5))
    out.image("/camera/depth/image_raw", stamp, depth, "16UC1", "depth")
    out.info("/camera/depth/camera_info", stamp, depth.shape, (40.0, 41.0, 25.0, 20.0))
    source = open_source(str(out.close()))
    lenses = [
        Lens(Intrinsics(*values), (0.0,) * 8, 1.7) for values in ((60.0, 61.0, 32.5, 23.5), (40.0, 41.0, 25.0, 20.0))
    ]
    calibration = Calibration(*lenses, tuple(np.eye(3).ravel().tolist()), (-0.07, 0.0, 0.01))
    expected = register(depth * np.float32(0.001), calibration, SIZE)
    np.testing.assert_allclose(source[0].depth, expected, rtol=1e-6)
    assert "registered to the colour with the recorded calibration" in source.notes[1]


def test_depth_that_nothing_ties_to_the_colour_is_left_out(tmp_path: Path, make: Any) -> None:
    out = Writer(tmp_path / "r.bag")
    out.image("/a/image", SECOND, make.texture(0), "bgr8", "color")
    out.image("/b/depth", SECOND, np.full((40, 80), 900, np.uint16), "16UC1", "depth")
    frame = (source := open_source(str(out.close())))[0]
    assert (frame.depth, frame.depth_problem) == (None, "depth is not registered to the colour")
    assert any("left out: 80x40, the colour is 64x48" in note for note in source.notes)


@pytest.mark.parametrize("name", ["rs.bag", "rs.db3"])
def test_genuine_realsense_recordings(name: str, shared: Path) -> None:
    """Recorded with librealsense's software device: colour (200, 10 i, 30), and a wall at 1 m + i x 0.01 m."""
    source = open_source(str(shared / "data/realsense_recordings" / name))
    assert isinstance(source, Recording)
    assert len(source) == 10
    assert (source.depth_scale, source.depth_scale_origin) == (1000.0, "the recording's own")
    for i in (9, 0, 1, 5):
        frame = source[i]
        assert frame.timestamp == pytest.approx(1 + 0.0333 * i)
        assert frame.rgb[100, 100].tolist() == [200, 10 * i, 30]
        assert frame.depth is not None
        assert frame.depth[200:300, 200:400] == pytest.approx(1 + 0.01 * i)
        assert frame.intrinsics == Intrinsics(610.0, 610.0, 319.5, 239.5)


def test_times_come_from_headers_and_repeated_ones_are_counted(tmp_path: Path, make: Any) -> None:
    out = Writer(tmp_path / "r.bag")
    for i, stamp in enumerate((3, 1, 2, 2)):  # the order of reception, which is not that of the stamps
        out.image("/c", stamp * SECOND, make.texture(i), "rgb8", time=(100 + i) * SECOND)
    source = open_source(str(out.close()))
    assert isinstance(source, Recording)
    assert [source.name_of(i) for i in range(len(source))] == ["1.000000", "2.000000", "3.000000"]
    assert np.array_equal(source[0].rgb, make.texture(1))
    assert [(skip.name, skip.reason) for skip in source.skipped] == [("2.000000", "repeated time stamp")]


def test_headers_without_stamps_leave_the_recorders_clock(tmp_path: Path, make: Any) -> None:
    out = Writer(tmp_path / "r.bag")
    for i in range(3):
        out.image("/c", 0, make.texture(i), "rgb8", time=(100 + i // 2) * SECOND + 7 * i)
    source = open_source(str(out.close()))
    assert [source[i].timestamp for i in range(3)] == pytest.approx([100.0, 100.000000007, 101.000000014], abs=1e-9)
    assert len({source.name_of(i) for i in range(3)}) == 3


def test_compressed_depth_and_a_user_scale(tmp_path: Path, make: Any) -> None:
    out = Writer(tmp_path / "r", "mcap")
    depth = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE)
    jpeg = cv2.imencode(".jpg", np.full((*SIZE, 3), (30, 120, 200), np.uint8))[1].tobytes()
    out.compressed("/c/image_raw/compressed", SECOND, jpeg, "rgb8; jpeg compressed bgr8")
    out.compressed(
        "/d/depth_registered/image_raw/compressedDepth", SECOND, compressed_depth(depth), "16UC1; compressedDepth png"
    )
    path = str(out.close())
    frame = open_source(path)[0]
    np.testing.assert_allclose(frame.rgb[20, 20], (200, 120, 30), atol=3)
    np.testing.assert_allclose(frame.depth, depth * 0.001, rtol=1e-6)
    scaled = open_source(path, Options(depth_scale=10000))
    np.testing.assert_allclose(scaled[0].depth, depth * 0.0001, rtol=1e-6)
    assert scaled.depth_scale_origin == "--depth-scale"


def test_a_bag_without_pictures_says_what_it_has(tmp_path: Path, make: Any) -> None:
    out = Writer(tmp_path / "r.bag")
    out.image("/odd", SECOND, make.texture(0)[..., 0], "8SC1")
    with pytest.raises(SourceError, match=r"image topics: /odd \(8SC1\)"):
        open_source(str(out.close()))


def test_what_is_not_a_bag_of_its_kind_is_named(tmp_path: Path, make: Any) -> None:
    unclosed = tmp_path / "r.bag.active"
    unclosed.write_bytes(b"#ROSBAG V2.0\n")
    with pytest.raises(SourceError, match="was not closed") as problem:
        open_source(str(unclosed))
    assert "rosbag reindex" in problem.value.hint
    unindexed = write_tum_like(tmp_path / "u.bag", scene(make, 2))
    data = unindexed.read_bytes()
    place = data.index(b"index_pos=") + len(b"index_pos=")
    unindexed.write_bytes(data[:place] + bytes(8) + data[place + 8 :])
    with pytest.raises(SourceError, match="has no index"):
        open_source(str(unindexed))
    mcap = write_tum_like(tmp_path / "m.bag", scene(make, 2), "mcap")
    data = mcap.read_bytes()
    mcap.write_bytes(data.replace(b"\x04\0\0\0ros2", b"\x04\0\0\0ros1", 1))
    with pytest.raises(SourceError, match="another make than ROS 2"):
        open_source(str(mcap))
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(SourceError, match="does not have the name of a ROS bag"):
        open_source(f"bag:{tmp_path / 'a.txt'}")


def test_a_pickled_bag_reads_on(tmp_path: Path, make: Any) -> None:
    source = open_source(str(write_tum_like(tmp_path / "r.bag", scene(make))))
    copy = pickle.loads(pickle.dumps(source))
    assert np.array_equal(copy[2].rgb, source[2].rgb)

"""Log a frame and its masks as entities of Rerun: images, boxes, points and curves.

world                            the annotation context: each id has the same colour everywhere
  camera                         its pose, if the recording has one; boxes and points of the ids [m]
    image                        the camera intrinsics; boxes of the ids [pixels]
      rgb  masks  depth
curves/k  curves/ids  curves/latency_ms  curves/frames_per_second
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from streamseg.frame import VOID, Frame, Intrinsics, Segment, Segmentation
from streamseg.masks import palette
from streamseg.masks.encoding import jpeg
from streamseg.masks.properties import ENDS, SAMPLES, measure
from streamseg.sinks import Run
from streamseg.sinks.encoding.cloud import points_of
from streamseg.sinks.encoding.rle import singular

WORLD, CAMERA, IMAGE, CURVES = "world", "world/camera", "world/camera/image", "curves"
EPOCH = 5e8
"""Time stamps above this, in seconds (1985), are a date and time; smaller ones count from the start of a recording."""
MILLIMETRES = 1000.0
OPACITY, MASKS_IN_FRONT = 0.5, 1.0


class Entities:
    """Logs frames, one after the other. recording: a `rerun.RecordingStream`."""

    def __init__(self, recording: Any, run: Run) -> None:
        self.recording, self.run = recording, run
        self._camera: Intrinsics | None = None
        self._opened = False

    def log(self, frame: Frame, segmentation: Segmentation, fps: float) -> None:
        """Log one frame. fps: measured frames per second."""
        import rerun as rr

        labels = segmentation.mask(self.run.masks)
        segments = measure(labels, frame.depth, frame.intrinsics, segmentation.scores_of(self.run.masks))
        self._open(frame)
        self.recording.set_time("frame", sequence=frame.index)
        clock = {"timestamp" if frame.timestamp > EPOCH else "duration": frame.timestamp}
        self.recording.set_time("time", **clock)
        self._log_camera(frame)
        self._log(f"{IMAGE}/rgb", rr.EncodedImage(contents=jpeg(frame.rgb, quality=85), media_type="image/jpeg"))
        self._log(f"{IMAGE}/masks", rr.SegmentationImage(labels, opacity=OPACITY, draw_order=MASKS_IN_FRONT))
        self._log_depth(frame)
        self._log(f"{IMAGE}/boxes", _boxes(segments, singular(self.run.masks)))
        if frame.depth is not None and frame.depth_is_metric and frame.intrinsics:
            self._log_in_space(labels, frame.depth, frame.rgb, frame.intrinsics, segments)
        curves = {
            "k": segmentation.k, "ids": len(segments), "latency_ms": segmentation.latency_ms,
            "frames_per_second": fps,
        }  # fmt: skip
        for name, value in curves.items():
            self._log(f"{CURVES}/{name}", rr.Scalars(float(value)))

    def _log(self, path: str, entity: Any, static: bool = False) -> None:
        self.recording.log(path, entity, static=static)

    def _open(self, frame: Frame) -> None:
        """Log once what does not change: the axes, and the names and colours of the ids."""
        import rerun as rr

        if self._opened:
            return
        self._opened = True
        # the world frame of TUM and of most trackers has z upwards; without poses the world is the camera frame
        axes = rr.ViewCoordinates.RDF if frame.pose is None else rr.ViewCoordinates.RIGHT_HAND_Z_UP
        self._log(WORLD, axes, static=True)
        name, colours = singular(self.run.masks), palette.distinct().tolist()
        classes = [(i, f"{name} {i}", tuple(colours[i])) for i in range(1, VOID)]
        no_id = [(0, "background", (0, 0, 0, 0)), (VOID, "void", (0, 0, 0, 160))]
        self._log(WORLD, rr.AnnotationContext([*no_id, *classes]), static=True)

    def _log_camera(self, frame: Frame) -> None:
        import rerun as rr

        if frame.pose is not None:
            self._log(CAMERA, rr.Transform3D(translation=frame.pose[:3, 3], mat3x3=frame.pose[:3, :3]))
        camera, (height, width) = frame.intrinsics, frame.rgb.shape[:2]
        if camera is not None and camera != self._camera:
            self._camera = camera
            pinhole = rr.Pinhole(
                focal_length=(camera.fx, camera.fy), principal_point=(camera.cx, camera.cy), resolution=(width, height),
                camera_xyz=rr.ViewCoordinates.RDF, image_plane_distance=0.3,
            )  # fmt: skip
            self._log(IMAGE, pinhole)

    def _log_depth(self, frame: Frame) -> None:
        import rerun as rr

        if frame.depth is None:
            return
        if frame.depth_is_metric:
            millimetres = np.clip(np.rint(frame.depth * MILLIMETRES), 0, 65535).astype(np.uint16)
            _, png = cv2.imencode(".png", millimetres)
            image: Any = rr.EncodedDepthImage(png.tobytes(), media_type="image/png", meter=MILLIMETRES)
        else:
            image = rr.DepthImage(frame.depth)
        self._log(f"{IMAGE}/depth", image)

    def _log_in_space(
        self, labels: np.ndarray, depth: np.ndarray, rgb: np.ndarray, camera: Intrinsics, segments: tuple[Segment, ...]
    ) -> None:
        """Log a sample of the points of each id, and its box along the camera's axes [m], between the percentiles ENDS
        of the points."""
        import rerun as rr

        clouds = {segment.id: points_of(labels == segment.id, depth, rgb, camera)[0] for segment in segments}
        clouds = {i: points[:: max(1, len(points) // SAMPLES)] for i, points in clouds.items() if len(points)}
        ends = np.array([np.percentile(points, ENDS, axis=0) for points in clouds.values()]).reshape(-1, 2, 3)
        ids = np.repeat(list(clouds), [len(points) for points in clouds.values()])
        points = np.concatenate([np.empty((0, 3)), *clouds.values()]).astype(np.float32)
        self._log(f"{CAMERA}/points", rr.Points3D(points, class_ids=ids.astype(np.uint16)))
        boxes = rr.Boxes3D(mins=ends[:, 0], sizes=ends[:, 1] - ends[:, 0], class_ids=list(clouds), show_labels=False)
        self._log(f"{CAMERA}/boxes", boxes)


def _boxes(segments: tuple[Segment, ...], name: str) -> Any:
    """Return the boxes of the segments, each labelled with its id and, if it has one, its score."""
    import rerun as rr

    boxes = np.array([segment.box for segment in segments], np.float32).reshape(-1, 4)
    ids = [segment.id for segment in segments]
    scores = ["" if segment.score is None else f": {segment.score:.2f}" for segment in segments]
    labels = [f"{name} {i}{score}" for i, score in zip(ids, scores, strict=True)]
    return rr.Boxes2D(mins=boxes[:, :2], sizes=boxes[:, 2:], class_ids=ids, labels=labels)


def layout() -> Any:
    """Return the `rerun.blueprint.Blueprint` with the arrangement of the views."""
    import rerun.blueprint as rrb

    pictures = rrb.Vertical(
        rrb.Spatial2DView(origin=IMAGE, name="masks", contents=["$origin/**", "- $origin/depth"]),
        rrb.Spatial2DView(origin=IMAGE, name="depth", contents=["$origin/depth"]),
    )
    space = rrb.Spatial3DView(origin=WORLD, name="space", contents=["$origin/**", f"- {IMAGE}/boxes"])
    curves = rrb.Horizontal(
        rrb.TimeSeriesView(origin=CURVES, name="k and ids", contents=["$origin/k", "$origin/ids"]),
        rrb.TimeSeriesView(origin=f"{CURVES}/latency_ms", name="latency [ms]"),
        rrb.TimeSeriesView(origin=f"{CURVES}/frames_per_second", name="frames/s"),
    )
    above = rrb.Horizontal(pictures, space, column_shares=[1, 1])
    panel = rrb.TimePanel(timeline="frame", state="collapsed")
    return rrb.Blueprint(rrb.Vertical(above, curves, row_shares=[3, 1]), panel, collapse_panels=True)

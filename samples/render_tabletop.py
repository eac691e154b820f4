"""Renders the clip samples/tabletop: six objects on a table, seen by a hand-held RGB-D camera, in TUM's layout.

python samples/render_tabletop.py [-o DIR] [--frames 24] [--spp 16] [--seed 0] [--overwrite]

The renderer is Mitsuba 3 (`pip install "streamseg[samples]"`), in its variant that needs no GPU and no LLVM.
Layout: https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats, and masks/, indexed PNG of object ids.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from denoise import denoise
from kinect_depth import BASELINE, measure
from PIL import Image
from scipy.spatial.transform import Rotation

from streamseg.errors import OutputError, StreamsegError
from streamseg.masks.palette import davis

WIDTH, HEIGHT, FOCAL = 640, 480, 525.0  # the principal point is the image's middle: 319.5, 239.5
START, RATE, DEPTH_LATE = 1700000000.033333, 10.0, 0.004  # seconds, frames a second, seconds
UNITS_PER_METRE = 5000
CENTRE = np.array([0.02, -0.02, 0.085])  # the point that the camera looks at; metres, z up, table top at z = 0
EXPOSURE = 1.75  # factor from linear light to the brightness of the picture
SMALL_PNG = (
    cv2.IMWRITE_PNG_COMPRESSION,
    9,
    cv2.IMWRITE_PNG_FILTER,
    cv2.IMWRITE_PNG_FILTER_NONE,
)  # for noisy steps
TUM_TO_MITSUBA = np.diag([-1.0, -1.0, 1.0])  # x right, y down, z forward -> x left, y up, z forward


@dataclass(frozen=True)
class Shot:
    """What one camera sees, as arrays of (480, 640). colour: (480, 640, 3) linear RGB. depth: true z [m]. facing, lit:
    see `kinect_depth.measure`. ids: object ids, 0 = background."""

    colour: np.ndarray
    depth: np.ndarray
    facing: np.ndarray
    lit: np.ndarray
    ids: np.ndarray


def camera_path(frames: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the camera-to-world pose (4, 4) [m] of each frame: an arc of 40 degrees around CENTRE at a distance of
    1.02 to 0.9 m, with the shaking of a hand."""
    t = np.linspace(0, 1, max(frames, 2))[:frames]
    eased = t + 0.06 * np.sin(2 * np.pi * t)
    azimuth, distance = np.radians(-20 + 40 * eased), 1.02 - 0.12 * np.sin(np.pi * t * 0.8)
    elevation = np.radians(31 + 5 * np.sin(np.pi * t + 0.4))
    phase, frequency = rng.uniform(0, 2 * np.pi, (6, 1)), rng.uniform(2, 6, (6, 1))
    amplitude = np.array([[3e-3] * 3 + [np.radians(0.35)] * 3]).T  # metres, then radians
    shake = np.sin(phase + 2 * np.pi * frequency * t) * amplitude
    poses = []
    for i in range(frames):
        horizontal = np.cos(elevation[i])
        from_centre = np.array(
            [horizontal * np.sin(azimuth[i]), -horizontal * np.cos(azimuth[i]), np.sin(elevation[i])]
        )
        forward = -from_centre
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
        pose[:3, :3] @= Rotation.from_rotvec(shake[3:, i]).as_matrix()
        pose[:3, 3] = CENTRE + distance[i] * from_centre + shake[:3, i]
        poses.append(pose)
    return poses


class Studio:
    """The scene, which can be rendered from any pose."""

    def __init__(self, seed: int) -> None:
        try:
            import mitsuba
        except ImportError:
            raise StreamsegError("this script needs Mitsuba 3", 'pip install "streamseg[samples]"') from None
        mitsuba.set_variant("scalar_rgb")
        import scene_tabletop

        self.mi, self.projector = mitsuba, scene_tabletop.PROJECTOR
        self.day, self.dark, self.id_of_shape = scene_tabletop.build(seed)

    def shoot(self, pose: np.ndarray, spp: int, seed: int) -> Shot:
        """Render from `pose`, camera-to-world (4, 4). spp: light paths per pixel for the colours."""
        paths = {"type": "path", "max_depth": 5}
        colour = self._render(self.day, pose, paths, {"type": "independent", "sample_count": spp}, seed)
        # One ray through the centre of each pixel, so that depth, ids and the projector's shadow are exact.
        pixel_centre = {"type": "stratified", "sample_count": 1, "jitter": False}
        channels = "at:position,normal:sh_normal,shape:shape_index,albedo:albedo"
        surface = self._render(self.day, pose, {"type": "aov", "aovs": channels}, pixel_centre, 0)
        # The projector is the only light in this scene: a black pixel lies in its shadow.
        mi_scene = self.mi.traverse(self.dark)
        mi_scene[f"{self.projector}.position"] = pose[:3, 3] + BASELINE * pose[:3, 0]
        mi_scene.update()
        lit = self._render(
            self.dark, pose, {"type": "direct", "emitter_samples": 1, "bsdf_samples": 0}, pixel_centre, 0
        )
        points, normals, shapes = surface[..., :3], surface[..., 3:6], surface[..., 6].round().astype(int)
        rays = points - pose[:3, 3]
        hit = np.linalg.norm(normals, axis=2) > 0.5
        cosine = np.abs((rays * normals).sum(axis=2)) / np.linalg.norm(rays, axis=2)
        depth = np.where(hit, rays @ pose[:3, 2], 0)
        return Shot(
            colour=denoise(colour[..., :3], surface[..., 7:10], normals, depth),
            depth=depth,
            facing=np.where(hit, cosine, 0),
            lit=lit[..., :3].sum(axis=2) > 0,
            ids=np.where(hit, self.id_of_shape[shapes], 0).astype(np.uint8),
        )

    def _render(self, scene: Any, pose: np.ndarray, integrator: dict, sampler: dict, seed: Any) -> np.ndarray:
        """Return the (480, 640, channels) float64 picture. With the box filter a pixel does not depend on others, so
        that the number of threads does not change the picture."""
        to_world = pose.copy()
        to_world[:3, :3] = pose[:3, :3] @ TUM_TO_MITSUBA
        film = {"type": "hdrfilm", "width": WIDTH, "height": HEIGHT, "rfilter": {"type": "box"}}
        sensor = {
            "type": "perspective",
            "fov": float(2 * np.degrees(np.arctan(WIDTH / 2 / FOCAL))),
            "fov_axis": "x",
            "near_clip": 0.01,
            "to_world": self.mi.ScalarTransform4f(to_world),
            "film": film,
            "sampler": sampler,
        }
        render = self.mi.render(
            scene, sensor=self.mi.load_dict(sensor), integrator=self.mi.load_dict(integrator), seed=seed
        )
        return np.array(render, np.float64)


def develop(linear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the (H, W, 3) uint8 sRGB picture of a cheap camera for linear RGB: with soft highlights and slight
    noise."""
    light = EXPOSURE * linear
    light = np.where(light < 0.6, light, 1 - 0.4 * np.exp(-(np.maximum(light, 0.6) - 0.6) / 0.4))
    light = np.clip(light, 0, 1)
    encoded = np.where(light < 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    picture = (255 * encoded + 0.5).astype(np.uint8)
    noisy = picture + rng.standard_normal(picture.shape)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


def record(folder: Path, frames: int, spp: int, seed: int) -> None:
    """Render `frames` frames and their lists, in TUM's layout, into the empty `folder`."""
    studio = Studio(seed)
    for name in ("rgb", "depth", "masks"):
        (folder / name).mkdir()
    lists: dict[str, list[str]] = {
        "rgb": ["# color images", "# timestamp filename"],
        "depth": ["# depth maps, 16-bit PNG, 5000 units a metre", "# timestamp filename"],
        "groundtruth": ["# ground truth trajectory, camera to world", "# timestamp tx ty tz qx qy qz qw"],
    }
    for i, pose in enumerate(camera_path(frames, np.random.default_rng(seed))):
        rng = np.random.default_rng([seed, i])
        shot = studio.shoot(pose, spp, seed * 100_003 + i)
        depth = measure(shot.depth, shot.lit, shot.facing, FOCAL, rng)
        units = np.round(depth * UNITS_PER_METRE).astype(np.uint16)
        stamp, late = f"{START + i / RATE:.6f}", f"{START + i / RATE + DEPTH_LATE:.6f}"
        Image.fromarray(develop(shot.colour, rng)).save(folder / "rgb" / f"{stamp}.jpg", quality=88, optimize=True)
        cv2.imwrite(str(folder / "depth" / f"{late}.png"), units, SMALL_PNG)
        mask = Image.fromarray(shot.ids)
        mask.putpalette(davis().tobytes())
        mask.save(folder / "masks" / f"{stamp}.png", optimize=True)
        numbers = [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()]
        lists["rgb"].append(f"{stamp} rgb/{stamp}.jpg")
        lists["depth"].append(f"{late} depth/{late}.png")
        lists["groundtruth"].append(" ".join([stamp, *(f"{number:.6f}" for number in numbers)]))
        click.echo(f"frame {i + 1} of {frames}", err=True)
    lists["intrinsics"] = ["# fx fy cx cy of the colour camera, pixels"]
    lists["intrinsics"].append(f"{FOCAL} {FOCAL} {(WIDTH - 1) / 2} {(HEIGHT - 1) / 2}")
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def replace(out: Path, frames: int, spp: int, seed: int, overwrite: bool) -> None:
    """Render into a temporary folder and rename it to `out` at the end, so that `out` is never incomplete."""
    if out.exists() and not overwrite:
        raise OutputError(f"{str(out)!r} exists already", "choose another folder with -o, or add --overwrite")
    if out.exists() and not (out.is_dir() and ((out / "groundtruth.txt").is_file() or not any(out.iterdir()))):
        raise OutputError(f"{str(out)!r} holds something else than a clip", "choose another folder with -o")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise OutputError(
            f"{str(out)!r} cannot be written: {error.strerror}", "choose another folder with -o"
        ) from None
    try:
        record(temporary, frames, spp, seed)
        temporary.chmod(0o755)
        shutil.rmtree(out, ignore_errors=True)
        os.rename(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@click.command()
@click.option("-o", "out", type=click.Path(path_type=Path), default=Path(__file__).parent / "tabletop", help="Folder.")
@click.option("--frames", type=click.IntRange(1, 1000), default=24, show_default=True)
@click.option("--spp", type=click.IntRange(1, 65536), default=16, show_default=True, help="Light paths a pixel.")
@click.option("--seed", type=click.IntRange(0, 10_000), default=0, show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace a clip that is there.")
def main(out: Path, frames: int, spp: int, seed: int, overwrite: bool) -> None:
    """Render the RGB-D clip samples/tabletop with Mitsuba 3."""
    try:
        replace(out, frames, spp, seed, overwrite)
    except StreamsegError as error:
        click.echo(f"error: {error.message}\nhint: {error.hint}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

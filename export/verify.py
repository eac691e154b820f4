"""Whether an exported network still computes the same: features, attention and the masks that come out of them.

What counts in the end is the segmentation, so the features of both are clustered from one start, and the labels are
compared by the adjusted Rand index (Hubert and Arabie, 1985): 1 = the same partition, 0 = no more alike than by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from streamseg.clustering.codebook import Codebook
from streamseg.clustering.kmeans import kmeans
from streamseg.errors import ModelError
from streamseg.features.descriptors import rows

Outputs = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""(B, 3, H, W) float32 RGB in [0, 1] -> {"features": (B, D, h, w), ...}; the arrays may be reused by the next call."""
GATES = {"fp32": (0.9999, 0.98), "fp16": (0.999, 0.98), "int8": (0.98, 0.9)}
"""Smallest cosine and smallest adjusted Rand index, by precision."""
LLOYD_STEPS = 50


@dataclass(frozen=True)
class Difference:
    """How far one output is from the reference's.

    absolute: the largest difference of two numbers. relative: the same as a share of the reference's largest
    magnitude. cosine: of the vectors of the cells (of attention and energy: of each map), the mean of the worst frame;
    this is what the gate looks at: one frame gone wrong cannot hide behind the others, and one odd cell of hundreds
    does not fail a file whose masks are right. cosine_min: of the worst cell of all.
    """

    absolute: float
    relative: float
    cosine: float
    cosine_min: float


@dataclass(frozen=True)
class Comparison:
    """One batch through both. size: (H, W). ari: mean over the frames; ari_min: of the worst frame."""

    size: tuple[int, int]
    batch: int
    outputs: dict[str, Difference]
    ari: float
    ari_min: float


def compare(reference: Outputs, candidate: Outputs, images: np.ndarray, k: int = 6, seed: int = 0) -> Comparison:
    """Run both on `images` (B, 3, H, W) and compare every output of the reference, and the clusters of `features`.

    Raises ModelError where the candidate lacks an output or gives it another shape.
    """
    wanted = {name: np.array(value, np.float32) for name, value in reference(images).items()}
    found = {name: np.array(value, np.float32) for name, value in candidate(images).items()}
    for name, value in wanted.items():
        if name not in found or found[name].shape != value.shape:
            shape = f"of shape {found[name].shape}" if name in found else "nothing"
            raise ModelError(f"the exported network gives {shape} for {name}, not {value.shape}", _REPORT)
    agreement = [
        label_agreement(mine, its, k, seed) for mine, its in zip(wanted["features"], found["features"], strict=True)
    ]
    return Comparison(
        size=(images.shape[2], images.shape[3]),
        batch=len(images),
        outputs={name: difference(name, value, found[name]) for name, value in wanted.items()},
        ari=float(np.mean(agreement)),
        ari_min=float(np.min(agreement)),
    )


_REPORT = "another --opset or --precision may do; please report this model"


def difference(name: str, wanted: np.ndarray, found: np.ndarray) -> Difference:
    """Compare two (B, C, h, w) arrays; `name` decides what is one vector. NaN anywhere makes the figures NaN."""
    gaps = np.abs(wanted - found)
    absolute = float(gaps.max())
    axes = (1,) if name == "features" else (2, 3)
    cosines = cosine(wanted, found, axes)
    return Difference(
        absolute=absolute,
        relative=absolute / max(float(np.abs(wanted).max()), 1e-12),
        cosine=float(cosines.reshape(len(cosines), -1).mean(axis=1).min()),
        cosine_min=float(cosines.min()),
    )


def cosine(wanted: np.ndarray, found: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Cosine of the vectors along `axes`, in float64; 1 where both are 0, 0 where only one is."""
    mine, its = wanted.astype(np.float64), found.astype(np.float64)
    lengths = np.sqrt((mine**2).sum(axis=axes) * (its**2).sum(axis=axes))
    both_zero = (mine == 0).all(axis=axes) & (its == 0).all(axis=axes)
    products = (mine * its).sum(axis=axes)
    return np.where(both_zero, 1.0, products / np.where(lengths == 0, 1.0, lengths))


def label_agreement(wanted: np.ndarray, found: np.ndarray, k: int, seed: int) -> float:
    """Adjusted Rand index between the clusters of two (D, h, w) feature maps of one frame; NaN where they hold NaN.

    K-Means starts both times from the same centroids, those found on `wanted`, as a stream starts every frame from
    the codebook it has. From k-means++ on, Lloyd's algorithm takes turns that hang on the last digit: features of
    cosine 0.999999 then gave an index of 0.94, which says nothing about the features.
    """
    from sklearn.metrics import adjusted_rand_score

    if not (np.isfinite(wanted).all() and np.isfinite(found).all()):
        return float("nan")
    start = kmeans(rows(wanted), k, seed=seed, iterations=LLOYD_STEPS).centroids
    return float(adjusted_rand_score(_labels(rows(wanted), start), _labels(rows(found), start)))


def _labels(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Labels (n,) of `points` after Lloyd's algorithm from `centroids`: a codebook that forgets at once."""
    codebook = Codebook(centroids, rate=1.0)
    labels = np.full(len(points), -1)
    for _ in range(LLOYD_STEPS):
        before, labels = labels, codebook.step(points).argmin(axis=1)
        if (before == labels).all():
            break
    return labels


def gate(name: str, precision: str, comparisons: Sequence[Comparison], where: Callable[[], str] | None = None) -> None:
    """Raise ModelError unless `name` reaches GATES[precision]; NaN never does.

    Every output of every comparison has to reach the cosine; the label agreement is the mean over the frames of all
    comparisons, as one frame between two partitions is no news. where: asked only when a gate fails, for the message:
    which layer goes wrong.
    """
    least_cosine, least_ari = GATES[precision]
    at, output, worst = min(
        ((comparison, output, found) for comparison in comparisons for output, found in comparison.outputs.items()),
        key=lambda entry: np.nan_to_num(entry[2].cosine, nan=-2),
    )
    frames = [comparison.batch for comparison in comparisons]
    ari = float(np.average([comparison.ari for comparison in comparisons], weights=frames))
    if not worst.cosine >= least_cosine:
        place = f"at {at.size[0]}x{at.size[1]}, batch {at.batch}"
        failed = f"cosine {worst.cosine:.6f} of {output} ({place}) is below {least_cosine}"
    elif not ari >= least_ari:
        failed = f"label agreement (ARI) {ari:.4f} is below {least_ari}; worst output: {output}"
    else:
        return
    layer = f"; {where()}" if where else ""
    raise ModelError(f"{name} in {precision} differs from PyTorch: {failed}{layer}", _hint(precision))


def _hint(precision: str) -> str:
    return "use --precision fp32" if precision != "fp32" else "please report this model; --opset may help"


def as_dict(comparison: Comparison) -> dict[str, object]:
    """For JSON; a figure that is no number becomes null."""
    outputs = {
        name: {key: _number(figure) for key, figure in asdict(found).items()}
        for name, found in comparison.outputs.items()
    }
    return {
        "size": list(comparison.size),
        "batch": comparison.batch,
        "outputs": outputs,
        "ari": _number(comparison.ari),
        "ari_min": _number(comparison.ari_min),
    }


def _number(figure: float) -> float | None:
    return figure if np.isfinite(figure) else None


def table(comparisons: Sequence[Comparison]) -> str:
    """For people: one line an output, the features' with the label agreement."""
    lines = [f"{'size':>9} {'batch':>5}  {'output':<10} {'max abs':>8} {'max rel':>8} {'cosine':>9} {'ARI':>7}"]
    for comparison in comparisons:
        size = f"{comparison.size[0]}x{comparison.size[1]}"
        for name, found in comparison.outputs.items():
            ari = f"{comparison.ari:7.4f}" if name == "features" else ""
            figures = f"{found.absolute:8.1e} {found.relative:8.1e} {found.cosine:9.6f} {ari}"
            lines.append(f"{size:>9} {comparison.batch:>5}  {name:<10} {figures}".rstrip())
    return "\n".join(lines)

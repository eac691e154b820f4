"""Verify that an exported network computes the same as the original: its outputs, and the masks that they lead to.

Since the masks matter in the end, the features of both networks are clustered from the same initial centroids, and the
labels are compared by the adjusted Rand index (Hubert and Arabie, 1985): 1 = the same partition, 0 = as by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from streamseg.clustering.codebook import Codebook
from streamseg.clustering.kmeans import kmeans
from streamseg.errors import ModelError
from streamseg.features.descriptors import rows

NetworkFunction = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""Runs a network: (B, 3, H, W) float32 RGB in [0, 1] -> {"features": (B, D, h, w), ...}. The next call may overwrite
the returned arrays."""
GATES = {"fp32": (0.9999, 0.98), "fp16": (0.999, 0.98), "int8": (0.98, 0.9)}
"""The least cosine and the least adjusted Rand index that an exported file must reach, by precision."""
LLOYD_STEPS = 50
"""The most iterations of Lloyd's algorithm."""


@dataclass(frozen=True)
class Difference:
    """The difference between one output and that of the reference.

    absolute: largest absolute difference. relative: the same, divided by the largest magnitude in the reference.
    cosine: mean over the cells of a frame, in the worst frame (attention and energy: of each map). The gate checks
    this: one wrong frame must fail, but one odd cell among hundreds need not, because the masks are still right.
    cosine_min: in the worst cell of all frames.
    """

    absolute: float
    relative: float
    cosine: float
    cosine_min: float


@dataclass(frozen=True)
class Comparison:
    """The comparison of two networks on one batch. size: (H, W). outputs: by name. ari: mean of the adjusted Rand index
    over the frames. ari_min: in the worst frame."""

    size: tuple[int, int]
    batch: int
    outputs: dict[str, Difference]
    ari: float
    ari_min: float


def compare(
    reference: NetworkFunction, candidate: NetworkFunction, images: np.ndarray, k: int = 6, seed: int = 0
) -> Comparison:
    """Run both networks on `images` (B, 3, H, W), and compare every output of the reference and the masks.

    k, seed: of the K-Means on `features`. Raises ModelError if an output of the candidate is missing or has another
    shape.
    """
    expected = {name: np.array(value, np.float32) for name, value in reference(images).items()}
    actual = {name: np.array(value, np.float32) for name, value in candidate(images).items()}
    for name, value in expected.items():
        if name not in actual or actual[name].shape != value.shape:
            shape = f"of shape {actual[name].shape}" if name in actual else "nothing"
            raise ModelError(
                f"the exported network gives {shape} for {name}, not {value.shape}",
                "another --opset or --precision may do; please report this model",
            )
    pairs = zip(expected["features"], actual["features"], strict=True)
    agreements = [label_agreement(ours, theirs, k, seed) for ours, theirs in pairs]
    return Comparison(
        size=(images.shape[2], images.shape[3]),
        batch=len(images),
        outputs={name: difference(name, value, actual[name]) for name, value in expected.items()},
        ari=float(np.mean(agreements)),
        ari_min=float(np.min(agreements)),
    )


def difference(name: str, expected: np.ndarray, actual: np.ndarray) -> Difference:
    """Compare two arrays (B, C, h, w) of the output `name`. A NaN in them makes the figures NaN.

    The cosine of "features" is that of the (C,) vector of each cell; of other outputs, that of each (h, w) map.
    """
    absolute = float(np.abs(expected - actual).max())
    axes = (1,) if name == "features" else (2, 3)
    cosines = cosine(expected, actual, axes)
    return Difference(
        absolute=absolute,
        relative=absolute / max(float(np.abs(expected).max()), 1e-12),
        cosine=float(cosines.reshape(len(cosines), -1).mean(axis=1).min()),
        cosine_min=float(cosines.min()),
    )


def cosine(expected: np.ndarray, actual: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Compute the cosine of the vectors along `axes`, in float64; 1 if both are zero, 0 if only one is."""
    a, b = expected.astype(np.float64), actual.astype(np.float64)
    lengths = np.sqrt((a**2).sum(axis=axes) * (b**2).sum(axis=axes))
    both_zero = (a == 0).all(axis=axes) & (b == 0).all(axis=axes)
    products = (a * b).sum(axis=axes)
    return np.where(both_zero, 1.0, products / np.where(lengths == 0, 1.0, lengths))


def label_agreement(expected: np.ndarray, actual: np.ndarray, k: int, seed: int) -> float:
    """Compute the adjusted Rand index between the clusters of two (D, h, w) feature maps of one frame; NaN if they
    contain NaN.

    K-Means starts on both from the centroids of `expected`, as a run starts on each frame from its codebook. With
    k-means++ on each, Lloyd's algorithm would amplify differences in the last digit: features with a cosine of 0.999999
    had an index of 0.94, which says nothing about the features.
    """
    from sklearn.metrics import adjusted_rand_score

    if not (np.isfinite(expected).all() and np.isfinite(actual).all()):
        return float("nan")
    start = kmeans(rows(expected), k, seed=seed, iterations=LLOYD_STEPS).centroids
    return float(adjusted_rand_score(_labels(rows(expected), start), _labels(rows(actual), start)))


def _labels(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return the labels (n,) of `points` (n, D) after Lloyd's algorithm, which starts from `centroids` (k, D)."""
    codebook = Codebook(centroids, rate=1.0)  # with this rate, a step sets each centroid to the mean of its points
    labels = np.full(len(points), -1)
    for _ in range(LLOYD_STEPS):
        before, labels = labels, codebook.step(points).argmin(axis=1)
        if (before == labels).all():
            break
    return labels


def gate(
    name: str, precision: str, comparisons: Sequence[Comparison], find_layer: Callable[[], str] | None = None
) -> None:
    """Raise a ModelError if the network `name` does not reach GATES[precision], e.g. because of NaN.

    Every output of every comparison must reach the cosine. The label agreement must reach it only on average over all
    frames, because one frame may lie between two partitions. find_layer: called if the gate fails; returns a text for
    the message, which layer is wrong.
    """
    least_cosine, least_ari = GATES[precision]
    outputs = [(comparison, output) for comparison in comparisons for output in comparison.outputs]
    comparison, output = min(outputs, key=lambda pair: np.nan_to_num(pair[0].outputs[pair[1]].cosine, nan=-2))
    worst = comparison.outputs[output]
    frames = [each.batch for each in comparisons]
    ari = float(np.average([each.ari for each in comparisons], weights=frames))
    if not worst.cosine >= least_cosine:
        height, width = comparison.size
        place = f"at {height}x{width}, batch {comparison.batch}"
        failed = f"cosine {worst.cosine:.6f} of {output} ({place}) is below {least_cosine}"
    elif not ari >= least_ari:
        failed = f"label agreement (ARI) {ari:.4f} is below {least_ari}; worst output: {output}"
    else:
        return
    layer = f"; {find_layer()}" if find_layer else ""
    raise ModelError(f"{name} in {precision} differs from PyTorch: {failed}{layer}", _hint(precision))


def _hint(precision: str) -> str:
    return "use --precision fp32" if precision != "fp32" else "please report this model; --opset may help"


def as_dict(comparison: Comparison) -> dict[str, object]:
    """Convert a comparison for JSON; NaN and infinity become None."""
    outputs = {
        name: {key: _number(figure) for key, figure in asdict(output).items()}
        for name, output in comparison.outputs.items()
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
    """Format comparisons as a table of text: one line for each output; the label agreement is in that of features."""
    lines = [f"{'size':>9} {'batch':>5}  {'output':<10} {'max abs':>8} {'max rel':>8} {'cosine':>9} {'ARI':>7}"]
    for comparison in comparisons:
        size = f"{comparison.size[0]}x{comparison.size[1]}"
        for name, output in comparison.outputs.items():
            ari = f"{comparison.ari:7.4f}" if name == "features" else ""
            figures = f"{output.absolute:8.1e} {output.relative:8.1e} {output.cosine:9.6f} {ari}"
            lines.append(f"{size:>9} {comparison.batch:>5}  {name:<10} {figures}".rstrip())
    return "\n".join(lines)

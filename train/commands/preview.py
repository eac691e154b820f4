"""`streamseg train preview METHOD`: what a method would see, as one picture, before anything is trained."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from streamseg.cli.help import Command, Option
from streamseg.cli.options import behaviour_options, print_json
from streamseg.text.terminal import answer, notes
from train.commands import config_file
from train.commands.method import made, whole_paths
from train.options import click_options
from train.settings import Settings


def command(name: str, module: ModuleType) -> click.Command:
    """The command that draws the sheet of the method of `module`; it takes the flags of a run."""

    def preview(output: Path | None, samples: int, as_json: bool, quiet: bool, **given: Any) -> None:
        if not given["data"]:
            raise click.UsageError("Missing option '--data'.")
        settings, options = made(Settings, whole_paths(given)), made(module.Options, given)
        path = output or Path(f"{name}-preview.png")
        drawn = draw(module, settings, options, samples, path, quiet)
        print_json(drawn) if as_json else answer(drawn["output"])

    params: list[click.Parameter] = [
        *click_options(module.Options, "Method"),
        config_file.option(),
        Option(["-o", "--output"], type=click.Path(path_type=Path, dir_okay=False),
               show_default=f"{name}-preview.png", help="PNG file."),
        Option(["--samples"], type=click.IntRange(1, 64), default=6, show_default=True, group="Output",
               help="Number of samples to draw, one a row."),
        *click_options(Settings, "Training"),
    ]  # fmt: skip
    about = f"Draw the training samples of {name}: frames, crops, colours, pairs. The flags are those of the run."
    return behaviour_options(Command(name, callback=preview, params=params, help=about, short_help=about))


def draw(module: ModuleType, settings: Settings, options: Any, rows: int, path: Path, quiet: bool) -> dict[str, Any]:
    """Write the sheet; returns {"output", "frames", "recordings", "views"}. Masks that a run would find first are not
    drawn: that takes as long as a run's own search. Raises StreamsegError."""
    import cv2

    from streamseg.errors import OutputError
    from streamseg.files import written
    from train.data.batches import open_data, open_samples
    from train.encoder import open_encoder
    from train.presets import settled
    from train.reports.sheet import sheet

    class Unlabelled(module.METHOD):  # type: ignore[name-defined]
        """The method without the objects that a run would have to find."""

        @classmethod
        def masks_from(cls, options: Any) -> str:
            found: str = super().masks_from(options)
            return "" if found == "objects" else found

    if not cv2.haveImageWriter(str(path)):
        raise OutputError(f"{str(path)!r} is not a name for a picture", f"end it in .png: -o {path.stem}.png")
    settings = settled(replace(settings, cache="none", batch_size=1, accumulate=1, steps=1))
    with ExitStack() as stack:
        data = open_data(settings, stack)
        method = Unlabelled(open_encoder(settings.spec, pretrained=False), options, settings, 1)
        samples = open_samples(method, data, settings, path.parent, stack, notes(quiet))
        shown = sheet(samples, rows)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written(path) as temporary:
                cv2.imwrite(str(temporary), cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))
        except OSError as problem:
            raise OutputError(f"{str(path)!r} cannot be written: {problem.strerror}", "choose another -o") from problem
        return {
            "output": str(path),
            "frames": len(samples),
            "recordings": len(samples.recordings),
            "views": len(samples.views),
        }

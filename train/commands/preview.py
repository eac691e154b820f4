"""`streamseg train preview METHOD`: draws the samples that a method would be trained on, without training."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from streamseg.cli.help import Command, Option
from streamseg.cli.options import behaviour_options, print_json
from streamseg.text.terminal import note_printer, print_stdout
from train.commands import config_file
from train.commands.method import new_config
from train.options import click_options
from train.settings import Settings


def command(name: str, module: ModuleType) -> click.Command:
    """Return the command that draws the samples of the method in `module`. It takes the flags of a run."""

    def preview(output: Path | None, samples: int, as_json: bool, quiet: bool, **given: Any) -> None:
        settings, options = new_config(module, given)
        path = output or Path(f"{name}-preview.png")
        result = draw(module, settings, options, samples, path, quiet)
        if as_json:
            print_json(result)
        else:
            print_stdout(result["output"])

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
    """Write the picture to `path`; return {"output", "frames", "recordings", "views"}. rows: number of samples.

    Objects that a run would first have to find are not drawn, because finding them takes as long as in the run. Raises
    StreamsegError.
    """
    import cv2

    from streamseg.errors import OutputError
    from streamseg.files import written
    from train.data.batches import open_data, open_samples
    from train.encoder import open_encoder
    from train.presets import resolved
    from train.reports.sheet import sheet

    class Unlabelled(module.METHOD):  # type: ignore[name-defined]
        """The method without masks of objects."""

        @classmethod
        def mask_source(cls, options: Any) -> str:
            source: str = super().mask_source(options)
            return "" if source == "objects" else source

    if not cv2.haveImageWriter(str(path)):
        raise OutputError(f"{str(path)!r} is not a name for a picture", f"end it in .png: -o {path.stem}.png")
    settings = resolved(replace(settings, cache="none", batch_size=1, accumulate=1, steps=1))
    with ExitStack() as stack:
        data = open_data(settings, stack)
        method = Unlabelled(open_encoder(settings.spec, pretrained=False), options, settings, 1)
        samples = open_samples(method, data, settings, path.parent, stack, note_printer(quiet))
        picture = sheet(samples, rows)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written(path) as temporary:
                cv2.imwrite(str(temporary), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        except OSError as problem:
            raise OutputError(f"{str(path)!r} cannot be written: {problem.strerror}", "choose another -o") from problem
        return {
            "output": str(path),
            "frames": len(samples),
            "recordings": len(samples.recordings),
            "views": len(samples.views),
        }

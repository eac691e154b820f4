"""Scores of masks against ground truth, and the attention maps of a ViT.

command.py       `streamseg eval`: every model on every source with every seed
of_batch.py      `streamseg eval --batch`: the masks of a batch
report_table.py  `streamseg eval --report`: Table 1 of the report
scoring.py       one recording: a run with a sink that scores the masks
given_masks.py   one recording: masks that are read from files
sequence.py      the figures of one recording
protocols/       the figures of a benchmark, one file per benchmark
iou.py  overlap.py  davis.py  instances/       the measures, on arrays
table.py  page.py  gallery.py  curve.py        what is printed, and the HTML page
attention.py     `streamseg attention`
"""

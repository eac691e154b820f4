"""Pages in the browser, on this machine only: of a run in progress, a finished run, a recording, or a batch.

server.py      HTTP server on the loopback address: pages, JSON, images
moment.py      one frame with its masks, encoded when a page requests it
live.py        the latest frame of a run in progress, and the changes that a page makes to the run
output.py      the output folder of a finished run
recorded.py    the frames of a recording, with the masks of a run
survey.py      what is missing in a recording, and the track of each id
facts.py       the lines of text about a run
playback.py    the page of one or two runs or recordings
collection.py  the page of a batch
opening.py     opens a page in the browser, if there is a display
rate.py        frames per second, smoothed
pages/         HTML, CSS and JavaScript modules, served as they are
"""

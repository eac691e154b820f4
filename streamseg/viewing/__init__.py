"""Pages in the browser, on this machine only: a run while it goes on, a finished run, a recording.

server.py      HTTP on the loopback address: pages, JSON, pictures
moment.py      what a page shows of one frame, encoded when somebody asks for it
live.py        the newest frame of a run that goes on, and the wishes of who watches
recorded.py    the frames of a recording, with the masks of a run where there is one
pages/         HTML, CSS and modules of JavaScript, as they are sent
"""

"""`python -m streamseg`."""

from streamseg.cli.main import main

main()

"""Public recordings, fetched: what there is (`catalogue`), and how it comes (`fetch`)."""

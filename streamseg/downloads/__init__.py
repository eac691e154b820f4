"""Downloads public data sets: their addresses (`catalogue`), and the download itself (`fetch`)."""

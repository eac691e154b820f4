"""Video files: which frames there are, how one is found by its number, and how a decoded picture becomes RGB."""

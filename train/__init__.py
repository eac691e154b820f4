"""Training of backbones on the sequential frames of recordings. Methods are files in `train/methods/`."""

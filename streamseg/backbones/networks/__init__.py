"""Networks in PyTorch: built by timm, with weights, ready to run or to be exported."""

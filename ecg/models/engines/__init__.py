"""What runs a network: PyTorch and OpenVINO, and quantisation to int8."""

"""What PyTorch's workers have in common."""

import torch


class PyTorchLibrary:
    version = torch.__version__

    def __init__(self, threads):
        torch.set_flush_denormal(True)  # before the pool starts, whose threads inherit it
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)

"""Fashion-MNIST for the peers, from the folder that FMNISTNN_DATA names or Debian's."""
import gzip
import os

import torch

FOLDER = os.environ.get("FMNISTNN_DATA", "/usr/share/datasets/fashion-mnist")


def read(name, header):
    with gzip.open(f"{FOLDER}/{name}.gz") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8, offset=header)


def load(name, floats=True):
    """Images (N,1,28,28), as floats from 0 to 1 or as bytes, and labels of "train" or "t10k"."""
    images = read(name + "-images-idx3-ubyte", 16).view(-1, 1, 28, 28)
    return images.float() / 255 if floats else images, read(name + "-labels-idx1-ubyte", 8).long()

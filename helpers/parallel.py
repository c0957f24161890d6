"""The devices of this machine."""

import keras


def find_devices():
    """Return the names by which ``keras.device`` knows this machine's devices, the CPU first.

    Returns:
        ``["cpu"]``, followed by ``"gpu:0"`` and so on for each GPU that the backend can use.
    """
    if keras.backend.backend() == "torch":  # for which keras.distribution lists no devices
        import torch

        gpus = torch.cuda.device_count()
    else:
        names = [str(device).lower() for device in keras.distribution.list_devices()]
        gpus = sum("gpu" in name or "cuda" in name for name in names)
    return ["cpu", *(f"gpu:{index}" for index in range(gpus))]

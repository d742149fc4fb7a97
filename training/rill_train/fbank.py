"""Log-mel frames of modalities/audio_mel.h in PyTorch, for whole recordings at once.

Frame t sees samples [hop t + hop - window, hop t + hop): nothing is looked ahead, and before the
first sample lies silence. Written for training: float32, any batch.
"""

import math

import torch
import torch.nn.functional as F

RATE, WINDOW, HOP, FFT, BINS = 16000, 400, 160, 512, 80
LOW_HZ, HIGH_HZ, EMPHASIS = 20.0, 7600.0, 0.97
LEAST_ENERGY = 2.0**-23


def mel(hz):
    return 1127 * math.log1p(hz / 700)


def triangles():
    """[FFT / 2, BINS]: how much of each line of the spectrum a bin gathers."""
    low, high = mel(LOW_HZ), mel(HIGH_HZ)
    step = (high - low) / (BINS + 1)
    lines = torch.tensor([mel(RATE * k / FFT) for k in range(FFT // 2)], dtype=torch.double)
    centres = low + step * torch.arange(1, BINS + 1)
    return (1 - (lines[:, None] - centres).abs() / step).clamp(min=0).float()


class Fbank(torch.nn.Module):
    def __init__(self):
        super().__init__()
        angle = 2 * math.pi * torch.arange(WINDOW, dtype=torch.double) / (WINDOW - 1)
        self.register_buffer("taper", ((0.5 - 0.5 * angle.cos()) ** 0.85).float())
        self.register_buffer("triangles", triangles())

    def forward(self, samples):
        """Samples [..., count] in [-1, 1] -> [..., count // HOP, BINS], not yet normalised."""
        count = samples.shape[-1] // HOP
        x = F.pad(samples[..., : count * HOP], (WINDOW - HOP, 0)).unfold(-1, WINDOW, HOP)
        x = x - x.mean(-1, keepdim=True)
        before = torch.cat([x[..., :1], x[..., :-1]], -1)
        x = (x - EMPHASIS * before) * self.taper
        power = torch.fft.rfft(x, FFT).abs().square()[..., : FFT // 2]
        return (power @ self.triangles).clamp(min=LEAST_ENERGY).log()

"""`nano`: the compact backbone whose weights travel inside the package.

- `Nano`: the network. Plain 3 x 3 convolutions, batch norm, ReLU and additions, which onnxruntime runs fast in fp32 and
  in int8; no depthwise convolutions, no squeeze-excite, no hard-swish.
- `load_nano`: the network with the packaged weights, ready to embed.
- `save_nano`: how `edgefs.backbones.train_nano` writes those weights.

The model card is NANO.md beside this file.
"""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

NANO_SIZE = 128  # pixels, height and width of the input it was trained at; any multiple of 32 works
NANO_MEAN = (0.485, 0.456, 0.406)  # ImageNet's, red green blue, of values 0 to 1
NANO_STD = (0.229, 0.224, 0.225)
NANO_STAGES = ("features.2", "features.4", "features.6", "features.7")  # last block of each resolution
NANO_WEIGHTS = Path(__file__).with_name("nano.safetensors")


class Nano(nn.Module):
    """Eight blocks from a 128 px image to 192 maps of 4 x 4, about 70 million multiply-adds and 1.0 million weights.

    Any block's output can be tapped by its name, `features.0` to `features.7`, with
    `torchvision.models.feature_extraction.create_feature_extractor`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _convolution(3, 16, stride=2),  # 64 x 64 for a 128 px input
            _convolution(16, 32, stride=2),  # 32 x 32
            _convolution(32, 32),
            Residual(32, 64, stride=2),  # 16 x 16
            Residual(64, 64),
            Residual(64, 96, stride=2),  # 8 x 8
            Residual(96, 96),
            Residual(96, 192, stride=2),  # 4 x 4
        )

    def forward(self, images: Tensor) -> Tensor:
        """Normalised float images `[N,3,H,W]` to the average-pooled last block `[N,192]`."""
        features: Tensor = self.features(images)
        return features.mean((2, 3))


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al. 2016, arXiv 1512.03385), added before the last ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_normed(channels_in, channels_out, 3, stride), nn.ReLU(), *_normed(channels_out, channels_out, 3, 1)
        )
        same = channels_in == channels_out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*_normed(channels_in, channels_out, 1, stride))
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """Maps `[N,channels_in,H,W]` to `[N,channels_out,H/stride,W/stride]`."""
        added: Tensor = self.relu(self.body(maps) + self.shortcut(maps))
        return added


def load_nano() -> Nano:
    """`Nano` with the packaged weights, in float32 and evaluation mode.

    Raises:
        FileNotFoundError: the package was installed without its weights file.
    """
    model = Nano()
    state = load_file(NANO_WEIGHTS)
    model.load_state_dict({name: value.float() if value.dim() else value for name, value in state.items()})
    return model.eval()


def save_nano(model: Nano, path: Path) -> None:
    """Write the weights: convolutions in float16, batch norm's statistics in float32, since their range is wide."""
    state = {
        name: (value.half() if value.dim() == 4 else value).detach().cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(state, path)


def _convolution(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*_normed(channels_in, channels_out, 3, stride), nn.ReLU())


def _normed(channels_in: int, channels_out: int, kernel: int, stride: int) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(channels_out)

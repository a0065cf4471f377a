"""Float models to int8 and float16, as pure functions over model bytes: the same inputs give the same bytes.

ranges = collect_ranges(model, images)            # edgefs_calibration.int8.ranges
int8 = quantise(model, ranges, "cpu")
check_tensorrt(quantise(model, ranges, "tensorrt"))     # [] where every rule is obeyed
half = to_fp16(model)
"""

from edgefs_export.quantising.faithful import cosine, sqnr
from edgefs_export.quantising.fp16 import to_fp16
from edgefs_export.quantising.quantise import Isa, Target, quantise
from edgefs_export.quantising.rules import check_tensorrt
from edgefs_export.quantising.segments import segments
from edgefs_export.quantising.timing import interleaved

__all__ = ["Isa", "Target", "check_tensorrt", "cosine", "interleaved", "quantise", "segments", "sqnr", "to_fp16"]

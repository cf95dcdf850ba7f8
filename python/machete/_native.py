"""The functions of libmachete.so, which binding.cc defines.

Each takes a problem as the text that problem.h describes, and tensors of any library with DLPack.
"""

from pathlib import Path

import tvm_ffi

# One that TVM-FFI does not know by itself.
tvm_ffi.register_error("NotImplementedError", NotImplementedError)

_library = tvm_ffi.load_module(Path(__file__).with_name("libmachete.so"))

why_not = _library.why_not
supported_schedules = _library.supported_schedules
chosen_schedule = _library.chosen_schedule
prepacked_size = _library.prepacked_size
prepack_B = _library.prepack_B
check_prepacked = _library.check_prepacked
mm = _library.mm
mm_out = _library.mm_out
prepack_B_of = _library.prepack_B_of
mm_out_of = _library.mm_out_of
register_torch_mm = _library.register_torch_mm

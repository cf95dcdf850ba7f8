// The kernel of torch.ops.machete.mm.
#pragma once

namespace machete::python {

// Makes it known to PyTorch; false where that is too old, or not in the process.
bool register_torch_mm();

}  // namespace machete::python

#include "reduce/kernels_impl.h"

namespace dlslime::reduce_detail {

constinit const Kernels kPortableKernels = make_kernels();

}  // namespace dlslime::reduce_detail

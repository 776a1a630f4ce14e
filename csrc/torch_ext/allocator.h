// The memory that allocateTensor gives.
//
// Threads:    any.
// Ownership:  the heap is never destroyed: tensors may outlive every backend. A forked child has another one.
#pragma once
#include "memory/shared_heap.h"

namespace dlslime {

SharedHeap& tensor_heap();

}  // namespace dlslime

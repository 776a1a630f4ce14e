#include "torch_ext/tensors.h"

namespace dlslime {

using c10d::ReduceOp;

// ---- what torch's words mean ----

namespace {

std::optional<DType> known(at::ScalarType type) {
  switch (type) {
    case at::kBool:
      return DType::Bool;
    case at::kByte:
      return DType::U8;
    case at::kChar:
      return DType::I8;
    case at::kUInt16:
      return DType::U16;
    case at::kShort:
      return DType::I16;
    case at::kUInt32:
      return DType::U32;
    case at::kInt:
      return DType::I32;
    case at::kUInt64:
      return DType::U64;
    case at::kLong:
      return DType::I64;
    case at::kHalf:
      return DType::F16;
    case at::kBFloat16:
      return DType::BF16;
    case at::kFloat:
      return DType::F32;
    case at::kDouble:
      return DType::F64;
    case at::kFloat8_e4m3fn:
      return DType::F8E4M3FN;
    case at::kFloat8_e5m2:
      return DType::F8E5M2;
    case at::kFloat8_e4m3fnuz:
      return DType::F8E4M3FNUZ;
    case at::kFloat8_e5m2fnuz:
      return DType::F8E5M2FNUZ;
    case at::kComplexFloat:
      return DType::C64;
    case at::kComplexDouble:
      return DType::C128;
    default:
      return std::nullopt;
  }
}

struct Operator {
  ReduceKind kind;
  const char* name;  // torch's
};

std::optional<Operator> operator_of(const ReduceOp& op) {
  switch (op.op_) {
    case ReduceOp::SUM:
      return Operator{ReduceKind::Sum, "sum"};
    case ReduceOp::AVG:
      return Operator{ReduceKind::Avg, "avg"};
    case ReduceOp::PRODUCT:
      return Operator{ReduceKind::Product, "product"};
    case ReduceOp::MIN:
      return Operator{ReduceKind::Min, "min"};
    case ReduceOp::MAX:
      return Operator{ReduceKind::Max, "max"};
    case ReduceOp::BAND:
      return Operator{ReduceKind::BitAnd, "band"};
    case ReduceOp::BOR:
      return Operator{ReduceKind::BitOr, "bor"};
    case ReduceOp::BXOR:
      return Operator{ReduceKind::BitXor, "bxor"};
    case ReduceOp::PREMUL_SUM:
      return Operator{ReduceKind::PremulSum, "premul_sum"};
    default:
      return std::nullopt;
  }
}

double factor_of(const char* call, const ReduceOp& op) {
  const auto* supplement = dynamic_cast<const c10d::PreMulSumSupplement*>(op.supplement_.get());
  TORCH_CHECK_VALUE(supplement, "dlslime: ", call, " with premul_sum needs a factor");
  return supplement->tensor_factor.defined() ? supplement->tensor_factor.item<double>()
                                             : supplement->double_factor;
}

bool served(const at::Tensor& tensor, at::MemoryFormat format) {
  return tensor.defined() && tensor.layout() == at::kStrided && tensor.device().is_cpu() &&
         tensor.is_contiguous(format);
}

// "float32" rather than "Float".
std::string name_of(const at::Tensor& tensor) {
  const auto type = known(tensor.scalar_type());
  return type ? dlslime::name_of(*type) : c10::toString(tensor.scalar_type());
}

}  // namespace

DType dtype_of(const at::Tensor& tensor) { return known(tensor.scalar_type()).value_or(DType::U8); }

ReduceSpec Checker::reduction(const ReduceOp& op, const at::Tensor& tensor) const {
  const auto meant = operator_of(op);
  TORCH_CHECK_VALUE(meant, "dlslime: ", call_, ": ", int(op.op_), " is no reduction");
  const auto type = known(tensor.scalar_type());
  TORCH_CHECK_TYPE(type && meaningful(meant->kind, *type), "dlslime: ", call_, " can't apply ", meant->name,
                   " to ", name_of(tensor));
  ReduceSpec spec{meant->kind, *type, 1};
  if (meant->kind == ReduceKind::PremulSum) spec.factor = factor_of(call_, op);
  return spec;
}

// ---- checks ----

void Checker::dense(const at::Tensor& tensor) const {
  if (!served(tensor, at::MemoryFormat::Contiguous)) [[unlikely]]
    refuse_dense(tensor);
}

void Checker::dense_in_any_format(const at::Tensor& tensor) const {
  if (!tensor.defined() || !served(tensor, tensor.suggest_memory_format())) [[unlikely]]
    refuse_dense(tensor);
}

void Checker::refuse_dense(const at::Tensor& tensor) const {
  TORCH_CHECK_VALUE(tensor.defined(), "dlslime: ", call_, " got an undefined tensor");
  TORCH_CHECK_VALUE(tensor.layout() == at::kStrided, "dlslime: ", call_,
                    " needs dense tensors, got a sparse one (layout ", tensor.layout(), ")");
  TORCH_CHECK_VALUE(tensor.device().is_cpu(), "dlslime: ", call_, " got a tensor on ", tensor.device(),
                    "; devices served: cpu");
  TORCH_CHECK_VALUE(false, "dlslime: ", call_, " needs contiguous tensors, got one of sizes ", tensor.sizes(),
                    " with strides ", tensor.strides(), ": use contiguous()");
}

void Checker::one(size_t tensors, const char* what) const {
  TORCH_CHECK_VALUE(tensors == 1, "dlslime: ", call_, " takes 1 ", what, ", got ", tensors);
}

void Checker::list(const Tensors& tensors, const char* what) const {
  TORCH_CHECK_VALUE(tensors.size() == size_t(size_), "dlslime: ", call_, " takes one ", what,
                    " per rank: ", size_, ", got ", tensors.size());
  for (const at::Tensor& tensor : tensors) dense(tensor);
}

void Checker::lists(const std::vector<Tensors>& lists, const char* what) const {
  TORCH_CHECK_VALUE(lists.size() == 1, "dlslime: ", call_, " takes 1 list of ", what, "s, got ",
                    lists.size());
  list(lists[0], what);
}

void Checker::same_type(const at::Tensor& a, const at::Tensor& b) const {
  TORCH_CHECK_TYPE(a.scalar_type() == b.scalar_type(), "dlslime: ", call_, " needs tensors of one type, got ",
                   name_of(a), " and ", name_of(b));
}

void Checker::same_size(const at::Tensor& a, const at::Tensor& b, const char* what) const {
  same_type(a, b);
  TORCH_CHECK_VALUE(a.numel() == b.numel(), "dlslime: ", call_, ": ", what, " has ", a.numel(),
                    " elements, it must have ", b.numel());
}

void Checker::multiple(const at::Tensor& whole, const at::Tensor& part, const char* what) const {
  same_type(whole, part);
  TORCH_CHECK_VALUE(whole.numel() == part.numel() * size_, "dlslime: ", call_, ": ", what, " has ",
                    whole.numel(), " elements, it must have ", part.numel() * size_, " (", size_, " times ",
                    part.numel(), ")");
}

void Checker::root(int64_t root, int64_t root_tensor) const {
  TORCH_CHECK_VALUE(root >= 0 && root < size_, "dlslime: ", call_, ": root ", root,
                    " is not a rank of the group of ", size_);
  TORCH_CHECK_VALUE(root_tensor == 0, "dlslime: ", call_, ": root tensor ", root_tensor,
                    " must be 0: a call takes 1 tensor");
}

void Checker::peer(int peer, const char* what) const {
  TORCH_CHECK_VALUE(peer >= 0 && peer < size_, "dlslime: ", call_, ": ", what, " ", peer,
                    " is not a rank of the group of ", size_);
  TORCH_CHECK_VALUE(peer != rank_, "dlslime: ", call_, ": ", what, " ", peer, " is this rank itself");
}

void Checker::tag(int tag) const {
  TORCH_CHECK_VALUE(tag >= 0, "dlslime: ", call_, ": tag ", tag, " must be at least 0");
}

// ---- bytes ----

// Whatever is contiguous in more than one format lies in rows: its elements are in the same order in both.
Layout layout_of(const at::Tensor& tensor) {
  if (tensor.is_contiguous()) return Layout::kRows;
  return tensor.dim() == 5 ? Layout::kChannelsLast3d : Layout::kChannelsLast;
}

Bytes bytes_of(const at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

std::vector<Bytes> bytes_of(const Tensors& tensors) {
  std::vector<Bytes> all;
  all.reserve(tensors.size());
  for (const at::Tensor& tensor : tensors) all.push_back(bytes_of(tensor));
  return all;
}

std::vector<ConstBytes> const_bytes_of(const Tensors& tensors) {
  const std::vector<Bytes> all = bytes_of(tensors);
  return {all.begin(), all.end()};
}

std::vector<Bytes> slices(const at::Tensor& whole, int parts) {
  const Bytes bytes = bytes_of(whole);
  const size_t each = bytes.size() / size_t(parts);
  std::vector<Bytes> all;
  for (int i = 0; i < parts; ++i) all.push_back(bytes.subspan(size_t(i) * each, each));
  return all;
}

std::vector<ConstBytes> const_slices(const at::Tensor& whole, int parts) {
  const std::vector<Bytes> all = slices(whole, parts);
  return {all.begin(), all.end()};
}

bool overlap(const at::Tensor& one, const at::Tensor& other) {
  const Bytes a = bytes_of(one), b = bytes_of(other);
  return !a.empty() && !b.empty() && a.data() < b.data() + b.size() && b.data() < a.data() + a.size();
}

std::vector<Bytes> split(const Checker& check, const at::Tensor& whole, const std::vector<int64_t>& splits,
                         const char* what) {
  const int64_t rows = whole.dim() ? whole.size(0) : 1;
  const int parts = check.size();
  if (splits.empty()) {
    TORCH_CHECK_VALUE(rows % parts == 0, "dlslime: ", check.call(), ": dimension 0 of the ", what, ", ", rows,
                      ", is not divisible by the group's size ", parts);
    return slices(whole, parts);
  }
  TORCH_CHECK_VALUE(splits.size() == size_t(parts), "dlslime: ", check.call(), " takes one ", what,
                    " split per rank: ", parts, ", got ", splits.size());
  int64_t total = 0;
  for (const int64_t one : splits) {
    TORCH_CHECK_VALUE(one >= 0, "dlslime: ", check.call(), ": ", what, " split ", one, " must be at least 0");
  }
  for (const int64_t one : splits) {  // the sum of what is too large may wrap around to what is right
    TORCH_CHECK_VALUE(one <= rows - total, "dlslime: ", check.call(), ": ", what, " split ", one,
                      " goes beyond dimension 0, which is ", rows);
    total += one;
  }
  TORCH_CHECK_VALUE(total == rows, "dlslime: ", check.call(), ": the ", what, " splits add up to ", total,
                    ", dimension 0 is ", rows);
  const Bytes bytes = bytes_of(whole);
  const size_t row = rows ? bytes.size() / size_t(rows) : 0;
  std::vector<Bytes> all;
  size_t at = 0;
  for (const int64_t one : splits) {
    all.push_back(bytes.subspan(at, size_t(one) * row));
    at += size_t(one) * row;
  }
  return all;
}

}  // namespace dlslime

// Tensors: what torch's arguments mean to the rooms below, and whether they can be served. Everything is
// checked before anything is posted, and every refusal says the value and the limit.
//
// Threads:    pure.
// Ownership:  the spans point into the tensors.
// Errors:     ValueError, TypeError or RuntimeError by torch's own macros.
// Units:      spans are bytes.
// Invariants: a tensor that passes is dense, without gaps and in this process's memory.
#pragma once
#include <ATen/ATen.h>

#include <torch/csrc/distributed/c10d/Types.hpp>

#include "collective/collectives.h"

namespace dlslime {

using Tensors = std::vector<at::Tensor>;

// For one call: its name goes into every refusal.
class Checker {
 public:
  Checker(const char* call, int rank, int size) : call_(call), rank_(rank), size_(size) {}

  void dense(const at::Tensor& tensor) const;
  // Also channels_last, as torch's own backends take it: for calls in which tensors stand alone.
  void dense_in_any_format(const at::Tensor& tensor) const;
  void one(size_t tensors, const char* what) const;           // exactly one tensor
  void list(const Tensors& tensors, const char* what) const;  // one per rank
  void lists(const std::vector<Tensors>& lists, const char* what) const;
  void same_type(const at::Tensor& a, const at::Tensor& b) const;
  void same_size(const at::Tensor& a, const at::Tensor& b, const char* what) const;
  // Whole is size() times part.
  void multiple(const at::Tensor& whole, const at::Tensor& part, const char* what) const;
  void root(int64_t root, int64_t root_tensor = 0) const;
  void peer(int peer, const char* what) const;
  void tag(int tag) const;
  ReduceSpec reduction(const c10d::ReduceOp& op, const at::Tensor& tensor) const;

  int rank() const { return rank_; }
  int size() const { return size_; }
  const char* call() const { return call_; }

 private:
  void refuse_dense(const at::Tensor& tensor) const;
  const char* call_;
  int rank_, size_;
};

DType dtype_of(const at::Tensor& tensor);  // U8 for types that only copies know
Layout layout_of(const at::Tensor& tensor);
Bytes bytes_of(const at::Tensor& tensor);
bool overlap(const at::Tensor& one, const at::Tensor& other);  // both dense
std::vector<Bytes> bytes_of(const Tensors& tensors);
std::vector<ConstBytes> const_bytes_of(const Tensors& tensors);
std::vector<Bytes> slices(const at::Tensor& whole, int parts);
std::vector<ConstBytes> const_slices(const at::Tensor& whole, int parts);

// Where each rank's part of an all_to_all lies along dimension 0; no splits: equal parts.
std::vector<Bytes> split(const Checker& check, const at::Tensor& whole, const std::vector<int64_t>& splits,
                         const char* what);

}  // namespace dlslime

#include "reduce/dtype.h"

namespace dlslime {
namespace {

enum class Family : uint8_t { Boolean, Integer, Floating, Complex };

struct Row {
  const char* name;
  uint8_t size;
  Family family;
  DType accumulator;
};

constexpr Row kUnknown{"?", 0, Family::Boolean, DType::Bool};

constexpr Row kRows[kDTypes] = {
    {"bool", 1, Family::Boolean, DType::Bool},
    {"uint8", 1, Family::Integer, DType::U8},
    {"int8", 1, Family::Integer, DType::I8},
    {"uint16", 2, Family::Integer, DType::U16},
    {"int16", 2, Family::Integer, DType::I16},
    {"uint32", 4, Family::Integer, DType::U32},
    {"int32", 4, Family::Integer, DType::I32},
    {"uint64", 8, Family::Integer, DType::U64},
    {"int64", 8, Family::Integer, DType::I64},
    {"float16", 2, Family::Floating, DType::F32},
    {"bfloat16", 2, Family::Floating, DType::F32},
    {"float32", 4, Family::Floating, DType::F32},
    {"float64", 8, Family::Floating, DType::F64},
    {"float8_e4m3fn", 1, Family::Floating, DType::F32},
    {"float8_e5m2", 1, Family::Floating, DType::F32},
    {"float8_e4m3fnuz", 1, Family::Floating, DType::F32},
    {"float8_e5m2fnuz", 1, Family::Floating, DType::F32},
    {"complex64", 8, Family::Complex, DType::C64},
    {"complex128", 16, Family::Complex, DType::C128},
};
static_assert(kRows[static_cast<size_t>(DType::C128)].size == 16, "one row per DType, in its order");

constexpr const char* kKindNames[kReduceKinds] = {"sum",    "avg",   "product", "min",       "max",
                                                  "bitand", "bitor", "bitxor",  "premul_sum"};

const Row& row(DType type) { return valid(type) ? kRows[static_cast<size_t>(type)] : kUnknown; }

}  // namespace

size_t size_of(DType type) { return row(type).size; }
const char* name_of(DType type) { return row(type).name; }
const char* name_of(ReduceKind kind) { return valid(kind) ? kKindNames[static_cast<size_t>(kind)] : "?"; }
bool is_complex(DType type) { return row(type).family == Family::Complex; }
bool is_floating(DType type) { return row(type).family == Family::Floating; }
DType accumulator_of(DType type) { return row(type).accumulator; }

bool meaningful(ReduceKind kind, DType type) {
  if (!valid(kind) || !valid(type)) return false;
  const Family family = row(type).family;
  switch (kind) {
    case ReduceKind::Sum:
      return true;
    case ReduceKind::Avg:
    case ReduceKind::PremulSum:
      return family != Family::Boolean;
    case ReduceKind::Product:
    case ReduceKind::Min:
    case ReduceKind::Max:
      return family != Family::Complex;
    case ReduceKind::BitAnd:
    case ReduceKind::BitOr:
    case ReduceKind::BitXor:
      return family == Family::Boolean || family == Family::Integer;
  }
  return false;
}

}  // namespace dlslime

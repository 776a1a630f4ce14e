#include "engine/peer_info.h"

#define MSGPACK_NO_BOOST
#include <msgpack.hpp>

namespace dlslime {
namespace {

using Wire = msgpack::type::tuple<std::string, int, std::string, std::string, int, std::string, Blob>;
constexpr char kName[] = "dlslime";

template <class T>
std::string encode_as(const T& value) {
  msgpack::sbuffer buffer;
  msgpack::pack(buffer, value);
  return {buffer.data(), buffer.size()};
}

// A claimed size is no reason to allocate: nothing has more elements than there are bytes.
msgpack::object_handle unpack_within(std::string_view bytes) {
  const size_t size = bytes.size();
  const msgpack::unpack_limit limit(size, size, size, size, size, 8);
  return msgpack::unpack(bytes.data(), size, nullptr, nullptr, limit);
}

template <class T>
bool decode_as(std::string_view bytes, T* out) {
  try {
    unpack_within(bytes).get().convert(*out);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

std::string PeerInfo::encode() const {
  return encode_as(Wire(kName, kVersion, id, secret, pid, host, addresses));
}

Status PeerInfo::decode(std::string_view bytes, PeerInfo* out) {
  // The version is read first: a later one may have more fields.
  try {
    const auto handle = unpack_within(bytes);
    const msgpack::object& object = handle.get();
    if (object.type != msgpack::type::ARRAY || object.via.array.size < 2 ||
        object.via.array.ptr[0].as<std::string>() != kName) {
      return {Code::kInvalid, "what the store holds for a peer is no dlslime peer record"};
    }
    const int version = object.via.array.ptr[1].as<int>();
    if (version != kVersion) {
      return {Code::kMismatch, "a peer speaks wire version " + std::to_string(version) +
                                   ", this process speaks " + std::to_string(kVersion) +
                                   ": install the same dlslime_torch on all ranks"};
    }
    Wire wire;
    object.convert(wire);
    out->id = wire.get<2>();
    out->secret = wire.get<3>();
    out->pid = wire.get<4>();
    out->host = wire.get<5>();
    out->addresses = wire.get<6>();
    return {};
  } catch (const std::exception& error) {
    return {Code::kInvalid, std::string("a peer's record can't be read: ") + error.what()};
  }
}

std::string pack(const Blob& blob) { return encode_as(blob); }

Status unpack(std::string_view bytes, Blob* out) {
  if (decode_as(bytes, out)) return {};
  return {Code::kInvalid, "an engine's offer can't be read (" + std::to_string(bytes.size()) + " bytes)"};
}

std::string get(const Blob& blob, const std::string& key) {
  const auto found = blob.find(key);
  return found == blob.end() ? std::string() : found->second;
}

}  // namespace dlslime

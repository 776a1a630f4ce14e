#include "collective/group_builder.h"

#include <algorithm>
#include <cstring>

#include "base/random.h"
#include "collective/local/local_group.h"

namespace dlslime {
namespace {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> items;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    items.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return items;
}

std::string get(const std::map<std::string, std::string>& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? std::string() : found->second;
}

}  // namespace

GroupBuilder::GroupBuilder(Runtime& runtime, Messenger& messenger, Spec spec)
    : runtime_(runtime), messenger_(messenger), spec_(std::move(spec)), nonce_(random_value<uint64_t>()) {}

GroupBuilder::~GroupBuilder() {
  for (const PeerInfo& peer : peers_) {
    for (Engine* engine : allowed()) engine->withdraw(peer);
  }
}

std::string GroupBuilder::hello() const {
  const std::string nonce(reinterpret_cast<const char*>(&nonce_), sizeof nonce_);
  return pack({{"peer", runtime_.self().encode()}, {"nonce", nonce}});
}

std::vector<Engine*> GroupBuilder::allowed() const {
  std::vector<Engine*> engines;
  for (const std::string& name : spec_.engines) {
    if (Engine* engine = runtime_.engine(name)) engines.push_back(engine);
  }
  if (spec_.engines.empty()) {
    for (const auto& engine : runtime_.engines()) engines.push_back(engine.get());
  }
  return engines;
}

Status GroupBuilder::meet(const std::vector<std::string>& hellos) {
  peers_.resize(size_t(spec_.size));
  reach_.resize(size_t(spec_.size));
  reasons_.resize(size_t(spec_.size));
  for (int rank = 0; rank < spec_.size; ++rank) {
    Blob blob;
    Status status = unpack(hellos[size_t(rank)], &blob);
    if (status.ok()) status = PeerInfo::decode(blob["peer"], &peers_[size_t(rank)]);
    if (!status.ok()) return status.during("reading what rank " + std::to_string(rank) + " published");
    if (rank == 0 && blob["nonce"].size() == sizeof context_)
      std::memcpy(&context_, blob["nonce"].data(), sizeof context_);
    if (rank == spec_.rank) continue;
    for (Engine* engine : allowed()) {
      const Status can = engine->reach(peers_[size_t(rank)]);
      const std::string name(engine->name());
      if (can.ok())
        reach_[size_t(rank)] += (reach_[size_t(rank)].empty() ? "" : ",") + name;
      else
        reasons_[size_t(rank)] += (reasons_[size_t(rank)].empty() ? "" : "; ") + name + ": " + can.what();
    }
  }
  messenger_.expect(context_);
  return {};
}

// The engine by which this rank reaches everybody and could share memory with them.
Engine* GroupBuilder::pages_candidate() const {
  for (Engine* engine : allowed()) {
    if (!engine->capabilities().shared_pages || spec_.size < 2 || spec_.size > LocalGroup::kMaxRanks)
      continue;
    bool all = true;
    for (int rank = 0; rank < spec_.size; ++rank) {
      const auto names = split(reach_[size_t(rank)]);
      all &= rank == spec_.rank || std::ranges::find(names, engine->name()) != names.end();
    }
    if (all) return engine;
  }
  return nullptr;
}

std::string GroupBuilder::offers() {
  Blob blob;
  for (int rank = 0; rank < spec_.size; ++rank) {
    if (rank == spec_.rank) continue;
    const std::string to = std::to_string(rank);
    const PeerInfo& peer = peers_[size_t(rank)];
    blob["reach." + to] = reach_[size_t(rank)];
    blob["why." + to] = reasons_[size_t(rank)];
    for (const std::string& name : split(reach_[size_t(rank)])) {
      if (runtime_.connection(peer.id, name)) blob["have." + to + "." + name] = "1";
      blob["offer." + to + "." + name] = runtime_.engine(name)->offer(peer);
    }
  }
  if (Engine* engine = pages_candidate()) {
    pages_ = engine->share({spec_.rank, spec_.size, LocalGroup::kLines, LocalGroup::data_bytes(spec_.size)});
    pages_engine_ = engine->name();
    if (pages_) blob["pages." + pages_engine_] = pages_->offer();
  }
  return pack(blob);
}

// What the pair uses: the first of the lower rank's engines by which both reach each other; empty: none.
std::string GroupBuilder::chosen(const std::vector<Blob>& offers, int low, int high) const {
  const auto back = split(get(offers[size_t(high)], "reach." + std::to_string(low)));
  for (const std::string& name : split(get(offers[size_t(low)], "reach." + std::to_string(high)))) {
    if (std::ranges::find(back, name) != back.end()) return name;
  }
  return {};
}

Status GroupBuilder::choose(const std::vector<Blob>& offers) {
  chosen_.assign(size_t(spec_.size), "");
  bool share = bool(pages_);
  for (int low = 0; low < spec_.size; ++low) {
    for (int high = low + 1; high < spec_.size; ++high) {
      const std::string name = chosen(offers, low, high);
      if (name.empty()) {
        const std::string there = get(offers[size_t(low)], "why." + std::to_string(high));
        const std::string back = get(offers[size_t(high)], "why." + std::to_string(low));
        return {Code::kUnavailable, "no engine connects rank " + std::to_string(low) + " and rank " +
                                        std::to_string(high) + " (" + there + " | " + back + ")"};
      }
      if (low == spec_.rank) chosen_[size_t(high)] = name;
      if (high == spec_.rank) chosen_[size_t(low)] = name;
      share &= name == pages_engine_;
    }
    share &= offers[size_t(low)].contains("pages." + pages_engine_);
  }
  if (!share) pages_.reset();
  return {};
}

Status GroupBuilder::connect_peer(int rank, const std::vector<Blob>& offers) {
  const std::string& name = chosen_[size_t(rank)];
  const PeerInfo& peer = peers_[size_t(rank)];
  const std::string here = std::to_string(spec_.rank), there = std::to_string(rank);
  const bool both_have = offers[size_t(spec_.rank)].contains("have." + there + "." + name) &&
                         offers[size_t(rank)].contains("have." + here + "." + name);
  auto endpoint = both_have ? runtime_.connection(peer.id, name) : nullptr;
  if (!endpoint) {
    auto fresh = runtime_.engine(name)->connect(peer, get(offers[size_t(rank)], "offer." + here + "." + name),
                                                messenger_);
    if (!fresh) return {Code::kUnavailable, "engine " + name + " can't connect to rank " + there};
    Messenger* messenger = &messenger_;
    endpoint = std::shared_ptr<Endpoint>(fresh.release(), [messenger](Endpoint* gone) {
      messenger->forget(*gone);
      delete gone;
    });
    runtime_.remember(peer.id, name, endpoint);
  }
  endpoints_[size_t(rank)] = std::move(endpoint);
  return {};
}

Status GroupBuilder::attach_pages(const std::vector<Blob>& offers) {
  for (int rank = 0; pages_ && rank < spec_.size; ++rank) {
    if (rank == spec_.rank) continue;
    const Status status =
        pages_->attach(rank, peers_[size_t(rank)], get(offers[size_t(rank)], "pages." + pages_engine_));
    if (!status.ok()) return status.during("sharing memory with rank " + std::to_string(rank));
  }
  return {};
}

std::string GroupBuilder::engines_text() const {
  if (spec_.size == 1) return "none (one rank)";
  const std::set<std::string> names(chosen_.begin(), chosen_.end());
  std::string text;
  for (const std::string& name : names) {
    if (!name.empty()) text += (text.empty() ? "" : "+") + name;
  }
  return text;
}

Status GroupBuilder::connect(const std::vector<std::string>& blobs, std::unique_ptr<Group>* group) {
  std::vector<Blob> offers(size_t(spec_.size));
  for (int rank = 0; rank < spec_.size; ++rank) {
    const Status status = unpack(blobs[size_t(rank)], &offers[size_t(rank)]);
    if (!status.ok()) return status.during("reading what rank " + std::to_string(rank) + " offers");
  }
  if (Status status = choose(offers); !status.ok()) return status;
  endpoints_.resize(size_t(spec_.size));
  for (int rank = 0; rank < spec_.size; ++rank) {
    if (rank == spec_.rank) continue;
    if (Status status = connect_peer(rank, offers); !status.ok()) return status;
  }
  if (Status status = attach_pages(offers); !status.ok()) return status;
  *group = std::make_unique<Group>(runtime_.executor(), messenger_,
                                   Group::Parts{spec_.name, spec_.rank, spec_.size, context_, endpoints_,
                                                std::move(pages_), engines_text(), spec_.plan});
  messenger_.release(context_);
  for (int rank = 0; rank < spec_.size; ++rank) {  // who died while we were busy has told nobody
    const auto& endpoint = endpoints_[size_t(rank)];
    if (endpoint && !endpoint->state().ok()) (*group)->channel().down(*endpoint, endpoint->state());
  }
  return {};
}

}  // namespace dlslime

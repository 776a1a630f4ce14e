#include "collective/group_builder.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <system_error>

#include "base/random.h"
#include "collective/local/local_group.h"

namespace dlslime {
GroupBuilder::GroupBuilder(Runtime& runtime, Messenger& messenger, Spec spec)
    : runtime_(runtime), messenger_(messenger), spec_(std::move(spec)), nonce_(random_value<uint64_t>()) {}

GroupBuilder::~GroupBuilder() {
  if (!built_) messenger_.remove(context_);
  for (const PeerInfo& peer : peers_) {
    for (Engine* engine : allowed()) engine->withdraw(peer, context_);
  }
}

std::string GroupBuilder::hello() const {
  const std::string nonce(reinterpret_cast<const char*>(&nonce_), sizeof nonce_);
  return pack({{"peer", runtime_.self().encode()}, {"nonce", nonce}});
}

std::vector<std::string> GroupBuilder::wanted() const {
  if (!spec_.engines.empty()) return spec_.engines;
  std::vector<std::string> names;
  for (const auto& engine : runtime_.engines()) names.emplace_back(engine->name());
  return names;
}

std::vector<Engine*> GroupBuilder::allowed() const {
  std::vector<Engine*> engines;
  for (const std::string& name : wanted()) {
    if (Engine* engine = runtime_.engine(name)) engines.push_back(engine);
  }
  return engines;
}

Status GroupBuilder::meet(const std::vector<std::string>& hellos) {
  peers_.resize(size_t(spec_.size));
  outlooks_.resize(size_t(spec_.size));
  for (int rank = 0; rank < spec_.size; ++rank) {
    Blob blob;
    Status status = unpack(hellos[size_t(rank)], &blob);
    if (status.ok()) status = PeerInfo::decode(blob["peer"], &peers_[size_t(rank)]);
    if (!status.ok()) return status.during("reading what rank " + std::to_string(rank) + " published");
    if (rank == 0 && blob["nonce"].size() == sizeof context_)
      std::memcpy(&context_, blob["nonce"].data(), sizeof context_);
    if (rank == spec_.rank) continue;
    for (const std::string& name : wanted()) {
      Engine* engine = runtime_.engine(name);
      Status can =
          engine ? engine->reach(peers_[size_t(rank)]) : Status(Code::kUnavailable, get(spec_.missing, name));
      outlooks_[size_t(rank)].say(name, std::move(can));
    }
  }
  messenger_.expect(context_);
  return {};
}

// The first engine that could share memory with anybody, and with whom. Not with more than slots are cut for.
Together GroupBuilder::expected_together() {
  for (Engine* engine : allowed()) {
    Together together{std::string(engine->name()), {}};
    for (int rank = 0; rank < spec_.size; ++rank) {
      if (rank == spec_.rank || outlooks_[size_t(rank)].on(engine->name())->ok())
        together.ranks.push_back(rank);
    }
    if (!engine->capabilities().shared_pages || together.ranks.size() < 2) continue;
    const bool fits = together.ranks.size() <= size_t(LocalGroup::kMaxRanks);
    crowd_ = fits ? 0 : together.ranks.size();
    if (fits) return together;
  }
  return {};
}

// An engine that can't make its offer does not reach the peer after all.
void GroupBuilder::offer_to(int rank, Blob* offers) {
  const std::string to = std::to_string(rank);
  const PeerInfo& peer = peers_[size_t(rank)];
  Outlook& outlook = outlooks_[size_t(rank)];
  for (const std::string& name : outlook.reaching()) {
    std::string offer;
    Status made = runtime_.engine(name)->offer(peer, context_, &offer);
    if (made.ok()) {
      (*offers)["offer." + to + "." + name] = offer;
      const auto connection = runtime_.connection(peer.id, name);
      if (connection.endpoint) {
        (*offers)["have." + to + "." + name] = std::to_string(connection.link);
        connections_[{rank, name}] = connection;
      }
    }
    outlook.say(name, std::move(made));
  }
  outlook.write(rank, offers);
}

void GroupBuilder::offer_pages(Blob* offers) {
  const Together together = expected_together();
  if (together.ranks.empty()) return;
  together.write(offers);
  Engine* const engine = runtime_.engine(together.engine);
  const int place = int(std::ranges::find(together.ranks, spec_.rank) - together.ranks.begin());
  const int size = int(together.ranks.size());
  const Status made = engine->share({place, size, LocalGroup::kLines, LocalGroup::data_bytes(size)}, &pages_);
  if (!made.ok()) {
    (*offers)["no_pages"] = made.what();
    return;
  }
  (*offers)["pages"] = pages_->offer();
  bool reads = true;
  for (int rank : together.ranks)
    reads = reads && (rank == spec_.rank || engine->reads_private(peers_[size_t(rank)]));
  if (reads) (*offers)["reads_private"] = "all";
}

std::string GroupBuilder::offers() {
  Blob blob;
  for (int rank = 0; rank < spec_.size; ++rank) {
    if (rank != spec_.rank) offer_to(rank, &blob);
  }
  offer_pages(&blob);
  if (spec_.rank == 0) {
    blob["plan"] = spec_.plan.text();
    blob["plan_origin"] = spec_.plan.origin;
  }
  return pack(blob);
}

Status GroupBuilder::choose(const std::vector<Blob>& offers) {
  std::vector<std::vector<std::string>> engines(offers.size());  // by lower rank, of those above it
  for (int low = 0; low < spec_.size; ++low) {
    for (int high = low + 1; high < spec_.size; ++high) {
      const Blob &below = offers[size_t(low)], &above = offers[size_t(high)];
      const std::string name = common_engine(Outlook::reaching(below, high), Outlook::reaching(above, low));
      if (name.empty()) {
        return no_way(low, high, Outlook::read(below, high), Outlook::read(above, low));
      }
      engines[size_t(low)].push_back(name);
    }
  }
  routes_.assign(size_t(spec_.size), {});
  for (int rank = 0; rank < spec_.size; ++rank) {
    if (rank == spec_.rank) continue;
    const Outlook theirs = Outlook::read(offers[size_t(rank)], spec_.rank);
    routes_[size_t(rank)] = route_between(outlooks_[size_t(rank)], theirs, spec_.rank < rank);
  }
  find_hosts(offers, engines);
  agree_on_pages(offers);
  return {};
}

void GroupBuilder::find_hosts(const std::vector<Blob>& offers,
                              const std::vector<std::vector<std::string>>& engines) {
  std::vector<Together> says;
  says.reserve(offers.size());
  for (const Blob& blob : offers) says.push_back(Together::read(blob));
  hosts_ = dlslime::find_hosts(
      spec_.rank, says, [&](int low, int high) { return engines[size_t(low)][size_t(high - low - 1)]; },
      &why_no_pages_);
}

// Memory is shared inside every host or nowhere. It is worth a word if ranks that could share it can't.
void GroupBuilder::agree_on_pages(const std::vector<Blob>& offers) {
  for (int rank = 0; rank < spec_.size; ++rank) {
    const bool has_mates = hosts_.has_mates(rank);
    if (!has_mates || offers[size_t(rank)].contains("pages")) continue;
    const std::string why = get(offers[size_t(rank)], "no_pages");
    why_no_pages_ = "rank " + std::to_string(rank) + " has none to share" + (why.empty() ? "" : ": " + why);
    hosts_ = Hosts::all_alone(spec_.rank, spec_.size);
    break;
  }
  if (crowd_ && why_no_pages_.empty()) {
    why_no_pages_ = std::to_string(crowd_) + " ranks of the group are on this host, and at most " +
                    std::to_string(LocalGroup::kMaxRanks) + " can share memory";
  }
  if (!hosts_.has_mates(spec_.rank)) pages_.reset();
}

bool GroupBuilder::all_read_private(const std::vector<Blob>& offers) const {
  bool shared = false, all = true;
  for (int rank = 0; rank < spec_.size; ++rank) {
    if (!hosts_.has_mates(rank)) continue;
    shared = true;
    all = all && offers[size_t(rank)].contains("reads_private");
  }
  return shared && all;
}

Status GroupBuilder::agree_on_plan(const Blob& from_rank_0) {
  Plan agreed;
  if (Status status = Plan::parse(get(from_rank_0, "plan"), &agreed); !status.ok())
    return Status(status.code(), status.what()).at_peer(0).during("reading the plan of rank 0");
  if (agreed.same_as(spec_.plan)) return {};
  const std::string theirs = get(from_rank_0, "plan_origin");
  agreed.origin = "rank 0's, " + theirs;
  // What is built in differs by processor: nobody has chosen it, and nobody need hear of it.
  if (spec_.plan.origin != Plan::kBuiltIn || theirs != Plan::kBuiltIn) passed_over_ = spec_.plan.origin;
  spec_.plan = std::move(agreed);
  return {};
}

Status GroupBuilder::connect_peer(int rank, const std::vector<Blob>& offers) {
  const std::string& name = routes_[size_t(rank)].engine;
  const PeerInfo& peer = peers_[size_t(rank)];
  const std::string here = std::to_string(spec_.rank), there = std::to_string(rank);
  const std::string ours = get(offers[size_t(spec_.rank)], "have." + there + "." + name);
  auto& endpoint = endpoints_[size_t(rank)];
  if (!ours.empty() && ours == get(offers[size_t(rank)], "have." + here + "." + name))
    endpoint = connections_[{rank, name}].endpoint;
  if (!endpoint) {
    std::unique_ptr<Endpoint> fresh;
    try {
      fresh = runtime_.engine(name)->connect(
          peer, context_, get(offers[size_t(rank)], "offer." + here + "." + name), messenger_);
    } catch (const std::exception& error) {
      return Status(Code::kUnavailable, "connecting to rank " + there + ": " + error.what()).via(name);
    }
    if (!fresh) return {Code::kUnavailable, "engine " + name + " can't connect to rank " + there};
    Messenger* messenger = &messenger_;
    endpoint = std::shared_ptr<Endpoint>(fresh.release(), [messenger](Endpoint* gone) {
      messenger->forget(*gone);
      delete gone;
    });
    runtime_.remember(peer.id, name, {context_, endpoint});
  }
  routes_[size_t(rank)].hampered = endpoint->hampered;
  return {};
}

Status GroupBuilder::attach_pages(const std::vector<Blob>& offers) {
  for (int place = 0; pages_ && place < pages_->size(); ++place) {
    const int rank = hosts_.here()[size_t(place)];
    if (rank == spec_.rank) continue;
    const Status status = pages_->attach(place, peers_[size_t(rank)], get(offers[size_t(rank)], "pages"));
    if (!status.ok()) return status.during("sharing memory with rank " + std::to_string(rank));
  }
  return {};
}

std::string GroupBuilder::engines_text() const {
  if (spec_.size == 1) return "none (one rank)";
  std::set<std::string> names;
  for (const Route& route : routes_) names.insert(route.engine);
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
  if (Status status = agree_on_plan(offers[0]); !status.ok()) return status;
  if (Status status = choose(offers); !status.ok()) return status;
  endpoints_.resize(size_t(spec_.size));
  for (int rank = 0; rank < spec_.size; ++rank) {
    if (rank == spec_.rank) continue;
    if (Status status = connect_peer(rank, offers); !status.ok()) return status;
  }
  if (Status status = attach_pages(offers); !status.ok()) return status;
  const bool reads_private = all_read_private(offers);
  *group = std::make_unique<Group>(
      runtime_.executor(), messenger_,
      Group::Parts{spec_.name, spec_.rank, spec_.size, context_, endpoints_, std::move(pages_),
                   engines_text(), spec_.plan, routes_, hosts_, why_no_pages_, reads_private});
  built_ = true;
  messenger_.release(context_);
  for (int rank = 0; rank < spec_.size; ++rank) {  // who died while we were busy has told nobody
    const auto& endpoint = endpoints_[size_t(rank)];
    if (endpoint && !endpoint->state().ok()) (*group)->channel().down(*endpoint, endpoint->state());
  }
  return {};
}

std::vector<Notice> GroupBuilder::notices() const {
  std::vector<Route> news = routes_;
  for (Route& route : news) {
    if (!runtime_.engine(route.preferred)) route.preferred.clear();
  }
  std::vector<Notice> said = dlslime::notices(news, peers_);
  if (!why_no_pages_.empty()) {
    const std::string what = "collectives go by messages instead of shared memory: " + why_no_pages_;
    said.push_back({what, "in group " + spec_.name + ", " + what});
  }
  if (!passed_over_.empty()) {
    const std::string what = "the ranks have different plans; in use is " + spec_.plan.origin +
                             ", not this rank's, " + passed_over_;
    said.push_back({what, "in group " + spec_.name + ", " + what});
  }
  return said;
}

}  // namespace dlslime

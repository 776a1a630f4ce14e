#include "collective/route.h"

#include <algorithm>

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

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ",") + item;
  return text;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// Which rank says it is left to the words "here" and "there": the same trouble with ten ranks is one reason.
std::string both_reasons(const Status& here, const Status& there) {
  if (there.ok() || there.what() == here.what()) return here.what();
  return (here.ok() ? "" : here.what() + "; ") + "the other side says: " + there.what();
}

std::string name_of(int rank, const PeerInfo& peer) {
  return "rank " + std::to_string(rank) + " (process " + std::to_string(peer.pid) + ", host " + peer.host +
         ")";
}

}  // namespace

// ---- Outlook ----

void Outlook::say(const std::string& engine, Status can) {
  if (!contains(wanted_, engine)) wanted_.push_back(engine);
  can_[engine] = std::move(can);
}

const Status* Outlook::on(std::string_view engine) const {
  const auto found = can_.find(engine);
  return found == can_.end() ? nullptr : &found->second;
}

std::vector<std::string> Outlook::reaching() const {
  std::vector<std::string> names;
  std::ranges::copy_if(wanted_, std::back_inserter(names),
                       [this](const auto& name) { return on(name)->ok(); });
  return names;
}

std::string Outlook::obstacles() const {
  std::string text;
  for (const std::string& name : wanted_) {
    if (!on(name)->ok()) text += (text.empty() ? "" : "; ") + name + ": " + on(name)->what();
  }
  return text;
}

//   key               value
//   wanted            engines allowed, the most preferred first
//   reach.TO          those that reach rank TO
//   elsewhere.TO      those that were never meant to
//   why.TO.ENGINE     why it does not
void Outlook::write(int to, Blob* offers) const {
  const std::string rank = std::to_string(to);
  std::vector<std::string> elsewhere;
  for (const std::string& name : wanted_) {
    const Status& can = *on(name);
    if (!can.ok()) (*offers)["why." + rank + "." + name] = can.what();
    if (can.code() == Code::kElsewhere) elsewhere.push_back(name);
  }
  (*offers)["wanted"] = joined(wanted_);
  (*offers)["reach." + rank] = joined(reaching());
  if (!elsewhere.empty()) (*offers)["elsewhere." + rank] = joined(elsewhere);
}

Outlook Outlook::read(const Blob& offers, int to) {
  const std::string rank = std::to_string(to);
  const auto reach = reaching(offers, to), elsewhere = split(get(offers, "elsewhere." + rank));
  Outlook outlook;
  for (const std::string& name : split(get(offers, "wanted"))) {
    const Code code = contains(elsewhere, name) ? Code::kElsewhere : Code::kUnavailable;
    outlook.say(name,
                contains(reach, name) ? Status() : Status(code, get(offers, "why." + rank + "." + name)));
  }
  return outlook;
}

std::vector<std::string> Outlook::reaching(const Blob& offers, int to) {
  return split(get(offers, "reach." + std::to_string(to)));
}

// ---- the choice ----

std::string common_engine(const std::vector<std::string>& low, const std::vector<std::string>& high) {
  const auto found = std::ranges::find_if(low, [&](const std::string& name) { return contains(high, name); });
  return found == low.end() ? std::string() : *found;
}

Route route_between(const Outlook& here, const Outlook& there, bool here_is_low) {
  Route route;
  for (const std::string& name : (here_is_low ? here : there).wanted()) {
    const Status *mine = here.on(name), *theirs = there.on(name);
    if (!mine || !theirs) continue;  // not allowed on one of them: somebody's choice
    if (mine->ok() && theirs->ok()) {
      route.engine = name;
      break;
    }
    if (mine->code() == Code::kElsewhere || theirs->code() == Code::kElsewhere || !route.preferred.empty())
      continue;
    route.preferred = name;
    route.why = both_reasons(*mine, *theirs);
  }
  return route;
}

Status no_way(int low, int high, const Outlook& low_says, const Outlook& high_says) {
  const std::string one = "rank " + std::to_string(low), other = "rank " + std::to_string(high);
  std::string text = "no engine connects " + one + " and " + other + " (" + low_says.obstacles() + " | " +
                     high_says.obstacles() + ")";
  if (low_says.wanted() != high_says.wanted()) {
    text += "; " + one + " allows " + joined(low_says.wanted()) + ", " + other + " allows " +
            joined(high_says.wanted());
  }
  return {Code::kUnavailable, text};
}

// ---- what people hear ----

std::vector<Notice> notices(const std::vector<Route>& routes, const std::vector<PeerInfo>& peers) {
  std::vector<Notice> said;
  std::map<std::string, std::vector<int>> fallbacks, hampered;  // reason -> ranks
  for (int rank = 0; rank < int(routes.size()); ++rank) {
    const Route& route = routes[size_t(rank)];
    if (!route.preferred.empty())
      fallbacks["engine " + route.engine + " is used instead of " + route.preferred + ": " + route.why]
          .push_back(rank);
    if (!route.hampered.empty())
      hampered["engine " + route.engine + " is hampered: " + route.hampered].push_back(rank);
  }
  for (const auto* reasons : {&fallbacks, &hampered}) {
    for (const auto& [reason, ranks] : *reasons) {
      std::string whom = name_of(ranks[0], peers[size_t(ranks[0])]);
      if (ranks.size() > 1) whom += " and " + std::to_string(ranks.size() - 1) + " more";
      said.push_back({reason, "for " + whom + ", " + reason});
    }
  }
  return said;
}

}  // namespace dlslime

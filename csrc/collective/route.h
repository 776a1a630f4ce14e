// Route: how one rank reaches another, and what stood in the way of something better.
//
// Threads:    values and pure functions.
// Invariants: both ranks of a pair, from what both have said, find the same engine and the same preferred one.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "engine/peer_info.h"

namespace dlslime {

// What one rank says of its ways to another.
class Outlook {
 public:
  // In order of preference; a second word replaces the first.
  void say(const std::string& engine, Status can);
  const Status* on(std::string_view engine) const;  // null: not allowed on that rank
  const std::vector<std::string>& wanted() const { return wanted_; }
  std::vector<std::string> reaching() const;
  std::string obstacles() const;  // "a: why; b: why"

  void write(int to, Blob* offers) const;
  static Outlook read(const Blob& offers, int to);
  static std::vector<std::string> reaching(const Blob& offers, int to);  // without the rest

 private:
  std::vector<std::string> wanted_;  // engines allowed, the most preferred first
  std::map<std::string, Status, std::less<>> can_;
};

struct Route {
  std::string engine;     // in use; empty: its own rank, or nothing connects the two
  std::string preferred;  // passed over, though both allow it and it was meant for the pair; empty: none
  std::string why;        // that was
  std::string hampered;   // what keeps the engine in use from its best way, at what cost; empty: nothing
};

// The first engine of the lower rank's preference by which both reach each other; empty: none.
std::string common_engine(const std::vector<std::string>& low, const std::vector<std::string>& high);
// The route of one rank, which says `here`, to another, which says `there`; the lower rank's preference counts.
Route route_between(const Outlook& here, const Outlook& there, bool here_is_low);

// The end of a group in which no engine connects two ranks, from what each said of the other.
Status no_way(int low, int high, const Outlook& low_says, const Outlook& high_says);

// What people should hear: once per process for each key.
struct Notice {
  std::string key, text;
};
// One for every reason there is, naming the first rank concerned; routes and peers by rank.
std::vector<Notice> notices(const std::vector<Route>& routes, const std::vector<PeerInfo>& peers);

}  // namespace dlslime

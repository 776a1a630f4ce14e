// A plan as text: what files hold, what travels, what people read.
#include <algorithm>
#include <charconv>
#include <vector>

#include "base/processor.h"
#include "collective/plan.h"

namespace dlslime {
namespace {

constexpr size_t kLongest = 64 << 10;  // more is no plan
constexpr std::string_view kForm = "OPERATION local|wire|hosts up to SIZE: ALGORITHM";

struct Unit {
  std::string_view name;
  uint64_t bytes;
};
constexpr Unit kUnits[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};

std::string size_text(uint64_t bytes) {
  for (const Unit& unit : kUnits) {
    if (bytes % unit.bytes == 0 && (bytes || unit.bytes == 1))
      return std::to_string(bytes / unit.bytes) + " " + std::string(unit.name);
  }
  return {};
}

std::string quoted(std::string_view text) {
  std::string safe = "'";
  for (const char c : text.substr(0, 40)) safe += c < ' ' || c > '~' ? '?' : c;
  return safe + "'";
}

// Words, and ":" as one of them.
std::vector<std::string_view> words_of(std::string_view line) {
  line = line.substr(0, line.find('#'));
  std::vector<std::string_view> words;
  for (size_t at = 0; at < line.size();) {
    const size_t end = line[at] == ':' ? at + 1 : std::min(line.find_first_of(" \t\r:", at), line.size());
    if (end > at) words.push_back(line.substr(at, end - at));
    at = std::max(end, at + 1);
  }
  return words;
}

void row_text(CollectiveKind kind, Way way, const Plan::Row& row, std::string* text) {
  *text += std::string(name_of(kind)) + " " + std::string(name_of(way)) + " up to ";
  *text += row.up_to == UINT64_MAX ? "*" : size_text(row.up_to);
  *text += ": " + std::string(name_of(row.algorithm));
  if (row.chunk) *text += " by " + size_text(row.chunk);
  *text += "\n";
}

}  // namespace

class PlanParser {
 public:
  explicit PlanParser(Plan* plan) : plan_(*plan) {}

  Status parse(std::string_view text) {
    if (text.size() > kLongest)
      return {Code::kInvalid, std::to_string(text.size()) + " bytes are too long for a plan"};
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      ++line_;
      words_ = words_of(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      if (!words_.empty() && !take_row()) return bad_;
    }
    return all_ended() ? Status() : bad_;
  }

 private:
  struct Slot {
    size_t rows = 0;
    int line = 0;
    bool ended = false;
  };

  bool no(const std::string& why, int line = 0) {
    bad_ = {Code::kInvalid, "line " + std::to_string(line ? line : line_) + ": " + why};
    return false;
  }

  bool take_row() {
    CollectiveKind kind{};
    Way way{};
    Plan::Row row;
    return take_kind(&kind) && take_way(kind, &way) && take_word("up") && take_word("to") &&
           take_bound(kind, way, &row) && take_word(":") && take_algorithm(kind, way, &row) &&
           take_chunk(&row) && take_end() && add(kind, way, row);
  }

  std::string_view next() {
    if (words_.empty()) return {};
    const std::string_view word = words_.front();
    words_.erase(words_.begin());
    return word;
  }
  bool take_word(std::string_view wanted) {
    const std::string_view word = next();
    return word == wanted ||
           no(quoted(wanted) + " is missing at " + quoted(word) + ": write " + std::string(kForm));
  }
  bool take_end() { return words_.empty() || no(quoted(words_.front()) + " is too much"); }

  bool take_kind(CollectiveKind* kind) {
    const std::string_view word = next();
    std::vector<std::string> known;
    for (const PlanChoice& choice : plan_choices()) {
      const std::string name = name_of(choice.kind);
      if (*kind = choice.kind; name == word) return true;
      if (std::ranges::find(known, name) == known.end()) known.push_back(name);
    }
    std::string text;
    for (const std::string& name : known) text += (text.empty() ? "" : ", ") + name;
    return no("no operation with a choice is called " + quoted(word) + "; there are " + text);
  }
  bool take_way(CollectiveKind kind, Way* way) {
    const std::string_view word = next();
    for (const Way one : kWays) {
      if (*way = one; name_of(one) == word) return has_choice(kind, one);
    }
    return no("no way is called " + quoted(word) + "; there are local, wire and hosts");
  }
  bool has_choice(CollectiveKind kind, Way way) {
    std::string known;
    for (const PlanChoice& choice : plan_choices()) {
      if (choice.kind != kind) continue;
      if (choice.way == way) return true;
      const std::string name(name_of(choice.way));
      if (known.find(name) == std::string::npos) known += (known.empty() ? "" : " and ") + name;
    }
    return no(std::string(name_of(kind)) + " has no choice of algorithms for " + std::string(name_of(way)) +
              ", only for " + known);
  }

  bool take_size(uint64_t* bytes) {
    std::string_view word = next();
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), *bytes);
    std::string_view unit = error == std::errc() ? word.substr(size_t(end - word.data())) : word;
    const bool apart = error == std::errc() && unit.empty();
    if (apart) unit = next();
    for (const Unit& one : kUnits) {
      if (error == std::errc() && unit == one.name && *bytes <= INT64_MAX / one.bytes) {
        *bytes *= one.bytes;
        return true;
      }
    }
    return no(quoted(apart ? unit : word) + " is no size: write such as 64 B, 32 KiB, 1 MiB, 2 GiB");
  }
  bool take_bound(CollectiveKind kind, Way way, Plan::Row* row) {
    if (words_.empty() || words_.front() != "*") {
      return take_size(&row->up_to) &&
             (sized(kind, way) ||
              no(std::string(name_of(kind)) + " " + std::string(name_of(way)) +
                 " has one row, 'up to *': its sizes may differ by rank, and all ranks must choose alike"));
    }
    next();
    row->up_to = UINT64_MAX;
    return true;
  }

  bool take_algorithm(CollectiveKind kind, Way way, Plan::Row* row) {
    const std::string_view word = next();
    std::string known;
    for (const PlanChoice& choice : plan_choices()) {
      if (choice.kind != kind || choice.way != way) continue;
      if (row->algorithm = choice.algorithm; name_of(choice.algorithm) == word) return fits(*row);
      known += (known.empty() ? "" : ", ") + std::string(name_of(choice.algorithm));
    }
    return no(quoted(word) + " is no algorithm of " + name_of(kind) + " " + std::string(name_of(way)) +
              "; there are " + known);
  }
  bool fits(const Plan::Row& row) {
    const size_t most = most_of(row.algorithm);
    return most == SIZE_MAX || row.up_to <= most ||
           no(std::string(name_of(row.algorithm)) + " does no more than " + size_text(most));
  }
  bool take_chunk(Plan::Row* row) {
    if (has_chunks(row->algorithm)) row->chunk = Plan::kChunk;
    if (words_.empty()) return true;
    uint64_t chunk = 0;
    if (!take_word("by") || !take_size(&chunk)) return false;
    if (!has_chunks(row->algorithm))
      return no(std::string(name_of(row->algorithm)) + " has no chunks to choose");
    if (chunk < Plan::kLeastChunk || chunk > Plan::kMostChunk || chunk % 64) {
      return no("a chunk is a multiple of 64 bytes from " + size_text(Plan::kLeastChunk) + " to " +
                size_text(Plan::kMostChunk));
    }
    row->chunk = uint32_t(chunk);
    return true;
  }

  // The first row of an operation and way replaces those that were there.
  bool add(CollectiveKind kind, Way way, const Plan::Row& row) {
    Slot& slot = slots_[size_t(kind)][size_t(way)];
    Plan::Rows& rows = plan_.rows_[size_t(kind)][size_t(way)];
    if (slot.ended) return no("nothing is left after 'up to *' of line " + std::to_string(slot.line));
    if (slot.rows && row.up_to <= rows[slot.rows - 1].up_to)
      return no("sizes must grow: line " + std::to_string(slot.line) + " goes as far");
    if (slot.rows == Plan::kMostRows)
      return no("more than " + std::to_string(Plan::kMostRows) + " rows of one operation and way");
    if (!slot.rows) rows = {};
    rows[slot.rows++] = row;
    slot.line = line_;
    slot.ended = row.up_to == UINT64_MAX;
    return true;
  }
  bool all_ended() {
    for (const auto& ways : slots_) {
      for (const Slot& slot : ways) {
        if (slot.rows && !slot.ended)
          return no("larger sizes are left out: the last row of an operation and way says 'up to *'",
                    slot.line);
      }
    }
    return true;
  }

  Plan& plan_;
  std::vector<std::string_view> words_;
  int line_ = 0;
  Status bad_;
  std::array<std::array<Slot, std::size(kWays)>, Plan::kKinds> slots_{};
};

Status Plan::parse(std::string_view text, Plan* out) {
  Plan plan;
  Status status = PlanParser(&plan).parse(text);
  if (status.ok()) *out = std::move(plan);
  return status;
}

std::string Plan::text() const {
  std::string text;
  const PlanChoice* before = nullptr;
  for (const PlanChoice& choice : plan_choices()) {
    const bool again = before && before->kind == choice.kind && before->way == choice.way;
    before = &choice;
    if (again) continue;
    for (const Row& row : rows_[size_t(choice.kind)][size_t(choice.way)]) {
      row_text(choice.kind, choice.way, row, &text);
      if (row.up_to == UINT64_MAX) break;
    }
  }
  return text;
}

Plan::Plan() : Plan(Plain{}) {
  static const Plan built_in = [] {
    Plan plan{Plain{}};
    // A test asks whether they are plans.
    (void)PlanParser(&plan).parse(kBuiltInPlan);
    if (hands_over_fast()) (void)PlanParser(&plan).parse(kFastHandoverPlan);
    return plan;
  }();
  *this = built_in;
}

}  // namespace dlslime

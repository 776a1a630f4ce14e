// Channel: tagged send and receive between the ranks of one group; eager or rendezvous, the same over every engine.
//
// Threads:    under the token.
// Ownership:  refers to the group's endpoints (null for itself) and to started requests until they finish or are destroyed.
// Errors:     a request ends with a Status; what concerns the whole group goes to the listener.
// Units:      bytes.
// Invariants: messages of one (source, tag) match receives in the order both were posted; a receive from any source takes the
//             earliest arrival; a send that was started never waits for room; payload bytes of kEager count against a window.
//
//   receive      what holds                                     moved on by
//   -----------  ---------------------------------------------  ----------------------------------------
//   posted       in its flow's queue; kClear sent if it is safe  the matching kEager / kReady
//   transferring matched; a get, or the peer's put, is going on  completion, landed(), kSendGone, down()
//   finished     status is set                                   -
#pragma once
#include <deque>
#include <map>
#include <unordered_map>
#include <vector>

#include "base/fifo.h"
#include "message/messenger.h"
#include "message/request.h"
#include "message/wire.h"

namespace dlslime {

class ChannelListener {
 public:
  virtual ~ChannelListener() = default;
  // Dead or unreachable (since is 0), or it said that the group failed in its `since`-th collective.
  virtual void peer_failed(int rank, const Status& why, uint64_t since) = 0;
  // A message of a collective that nothing here waits for: of a later one, or of one that the ranks disagree about.
  virtual void unasked(int rank, const Fingerprint& fingerprint) = 0;
  // What a rank called whose collective takes long; this rank may have called it already, or not yet.
  virtual void called(int rank, const Fingerprint& fingerprint) = 0;
  // An orderly end after so many operations; answers why what still counts on that rank fails.
  virtual Status peer_left(int rank, uint64_t finished) = 0;
  // The words of the error.
  virtual Status mismatch(int rank, const Fingerprint& theirs, const Fingerprint& mine) = 0;
};

class Channel {
 public:
  Channel(Messenger& messenger, ChannelListener& listener, uint64_t context, int rank,
          std::vector<Endpoint*> peers);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int rank() const { return rank_; }
  int size() const { return int(peers_.size()); }
  std::string_view engine_to(int rank) const { return peers_[rank] ? peers_[rank]->engine() : "self"; }

  void start(SendRequest& request);
  void start(RecvRequest& request);
  void cancel(SendRequest& request);
  void cancel(RecvRequest& request);

  void tell_failure(const Status& why, uint64_t since);  // to every other rank
  void tell_bye(uint64_t finished);
  void tell_call(const Fingerprint& fingerprint);
  bool flushed() const;
  bool left(int rank) const { return left_[rank]; }
  // What ended the way to a rank; ok: nothing did.
  Status lost(int rank) const { return peers_[rank] ? peers_[rank]->state() : Status(); }
  static constexpr size_t kFewFlows = 256;
  size_t flows() const { return flows_.size(); }  // tags held at full size: those in use, and a few more
  // The oldest message of a collective that waits from a rank, or null.
  const Fingerprint* waiting_from(int rank) const;
  // Ranks from which a message waits that nobody here has asked for: whoever is in another operation than we are.
  std::vector<int> unexpected_from() const;

  void received(RecvRequest& request, Status status);  // a transfer has ended

  // From the messenger.
  void message(Endpoint& from, const MessageHead& head, std::span<const std::byte> body);
  void down(Endpoint& endpoint, const Status& why);

 private:
  friend class Request;
  friend class SendRequest;
  friend class RecvRequest;
  struct Arrival {
    MessageHead head;
    std::vector<std::byte> payload;
    uint64_t order;
  };
  struct Counts {
    uint64_t sends = 0, arrivals = 0;
  };
  struct Flow : Counts {  // one (peer, tag)
    Fifo<RecvRequest*> posted;
    std::deque<Arrival> arrived;
    std::map<uint64_t, SendRequest*> sending;  // announced, by index
    std::map<uint64_t, MessageHead> clears;    // came before their send; the latest of each
    std::map<uint64_t, RecvRequest*> receiving;
    bool forget(const RecvRequest& request);  // that it is receiving; false: it is not
    bool idle() const {
      return posted.empty() && arrived.empty() && sending.empty() && clears.empty() && receiving.empty();
    }
  };
  struct Key {
    int peer;
    uint64_t tag;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return (key.tag * 0x9E3779B97F4A7C15u) ^ (size_t(key.peer) << 32);
    }
  };

  Flow& flow(int peer, uint64_t tag);  // stays where it is while it isn't idle, and until another tag is new
  void sweep();
  void send_control(int to, MessageHead head, std::span<const std::byte> body = {});
  void send_eager(SendRequest& request, Flow& flow);
  void announce(SendRequest& request, Flow& flow);
  void begin_put(SendRequest& request, const MessageHead& clear);

  void arrive(int from, const MessageHead& head, std::span<const std::byte> body);
  void distrust(int from, const std::string& what);
  RecvRequest* match(int from, const MessageHead& head);
  bool take_arrival(RecvRequest& request);
  void accept(RecvRequest& request, const MessageHead& head, std::span<const std::byte> body);
  bool refuse(RecvRequest& request, const MessageHead& head);
  void send_clear(RecvRequest& request, uint64_t index);
  void withdraw_clear(RecvRequest& request);
  void send_gone(const RecvRequest& request, MessageKind kind);
  void consume_credit(int from, size_t bytes);
  bool any_source_waits(uint64_t tag) const;

  // A collective that fails fails its group: the report of that says why, and must not be overtaken by "gave up".
  static bool silent(uint64_t tag) { return tag >= kCollectiveTag; }

  void on_clear(int from, const MessageHead& head);
  void on_fetched(int from, const MessageHead& head);
  void on_send_gone(int from, const MessageHead& head);
  void on_receive_gone(int from, const MessageHead& head);
  void on_clear_gone(int from, const MessageHead& head);
  void on_lost(int from, const MessageHead& head);
  Status usable_peer(int rank) const;
  bool anybody_left_here() const;
  void fail_transfers_from(int rank, const Status& why);
  void on_bye(int from, uint64_t finished);

  Messenger& messenger_;
  ChannelListener& listener_;
  const uint64_t context_;
  const int rank_;
  std::vector<Endpoint*> peers_;
  std::vector<bool> left_;
  // Bytes, by peer: not yet credited by it; not yet credited to it; of those, what has been consumed.
  std::vector<uint64_t> eager_sent_, eager_held_, credit_owed_;
  std::unordered_map<Key, Flow, KeyHash> flows_;
  // Of tags that nothing is under way for, where there are many.
  std::unordered_map<Key, Counts, KeyHash> resting_;
  size_t sweep_at_ = kFewFlows;
  Fifo<RecvRequest*> any_source_;
  uint64_t order_ = 0;
};

}  // namespace dlslime

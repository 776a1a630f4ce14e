// An intrusive doubly linked list: linking and unlinking allocate nothing, and an element can unlink itself.
//
// Threads: none of its own; ours are used under the executor's token.   Ownership: elements own themselves.
// Invariants: an element is in at most one list per hook type; destroying a linked element unlinks it.
#pragma once

namespace dlslime {

template <class Tag>
class Hook {
 public:
  Hook() = default;
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;
  ~Hook() { unlink(); }

  bool linked() const { return next_ != this; }
  void unlink() {
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = this;
  }

 private:
  template <class, class>
  friend class List;
  Hook* prev_ = this;
  Hook* next_ = this;
};

// T derives from Hook<Tag>.
template <class T, class Tag>
class List {
 public:
  using Node = Hook<Tag>;

  bool empty() const { return !end_.linked(); }
  T* front() { return empty() ? nullptr : to(end_.next_); }
  T* next(T& item) {
    return at_end(static_cast<Node&>(item).next_) ? nullptr : to(static_cast<Node&>(item).next_);
  }
  void push_back(T& item) {
    Node& node = item;
    node.unlink();
    node.prev_ = end_.prev_;
    node.next_ = &end_;
    end_.prev_->next_ = &node;
    end_.prev_ = &node;
  }
  T* pop_front() {
    T* item = front();
    if (item) static_cast<Node*>(item)->unlink();
    return item;
  }

 private:
  bool at_end(const Node* node) const { return node == &end_; }
  static T* to(Node* node) { return static_cast<T*>(node); }
  Node end_;
};

}  // namespace dlslime

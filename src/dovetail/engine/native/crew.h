// Threads of the library's own, for NumPy's callers, who have none of XLA's.
//
// They wait a moment for the next task before they sleep: calls often follow each other closely, and waking a thread takes
// longer than a small piece of work.  Whoever shares work takes parts of it too (see `Job`), so nothing depends on their coming.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "pool.h"

INLINE void pause_a_little() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

struct Crew {
  struct Task {
    XLA_FFI_Task* run;
    void* data;
  };
  enum { MOST_TASKS = 64, WATCHFUL_US = 50 };

  std::mutex lock;
  std::condition_variable wanted;
  std::atomic<Size> count{0};  // tasks that nobody has taken
  Task tasks[MOST_TASKS];
  Size asleep = 0, started = 0;

  bool schedule(Task task, Size most) {
    {
      std::lock_guard<std::mutex> held(lock);
      if (count == MOST_TASKS) return false;
      tasks[count] = task;
      count.store(count + 1);
      while (started < most && start()) ++started;
      if (!started) {
        count.store(count - 1);
        return false;
      }
      if (!asleep) return true;
    }
    wanted.notify_one();
    return true;
  }

  bool start() {
    sigset_t every, before;
    sigfillset(&every);  // signals are the other threads' business
    pthread_sigmask(SIG_BLOCK, &every, &before);
    pthread_t thread;
    const bool done = !pthread_create(&thread, nullptr, work, this);
    if (done) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return done;
  }

  static void* work(void* crew) {
    for (;;) {
      const Task task = ((Crew*)crew)->next();
      task.run(task.data);
    }
  }

  Task next() {
    watch();
    std::unique_lock<std::mutex> held(lock);
    ++asleep;
    while (!count) wanted.wait(held);
    --asleep;
    count.store(count - 1);
    return tasks[count];
  }

  void watch() const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(WATCHFUL_US);
    while (!count.load() && std::chrono::steady_clock::now() < end)
      for (int i = 0; i < 8; ++i) pause_a_little();
  }
};

// The threads of `share`.  A child that was forked has none of its parent's: it gets a crew of its own.
struct Workers {
  static std::atomic<Crew*> crew;
  static std::atomic<Size> most;  // threads that work at once, callers among them
  static std::atomic<int64_t> alone_until;
  enum { LONG_NS = 200'000, ALONE_NS = 20'000'000 };

  static int64_t now() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

  static Crew& present() {
    Crew* found = crew.load();
    if (found) return *found;
    static std::atomic<bool> told{false};
    if (!told.exchange(true)) pthread_atfork(nullptr, nullptr, [] { crew.store(nullptr); });
    Crew* made = new (malloc(sizeof(Crew))) Crew;  // never freed: its threads wait in it when the process ends
    if (crew.compare_exchange_strong(found, made)) return *made;
    made->~Crew();
    free(made);
    return *found;
  }
  Size num_threads() const { return most.load(); }
  // On a busy machine a thread may be stopped amid its part, for longer than all of the work takes: callers work alone then.
  void has_waited(std::chrono::nanoseconds time) const {
    if (time / std::chrono::nanoseconds(1) > LONG_NS) alone_until.store(now() + ALONE_NS);
  }
  static bool are_free() { return now() >= alone_until.load(); }
  bool schedule(XLA_FFI_Task* task, void* data) const { return present().schedule({task, data}, most.load() - 1); }
};

std::atomic<Crew*> Workers::crew{nullptr};
std::atomic<Size> Workers::most{1};
std::atomic<int64_t> Workers::alone_until{0};

enum { LIGHT = 1, HEAVY = 4, SHARE = 1 << 15 };  // of an element's work; work that is worth a thread

// How many items one part takes.
static Size items_of(Size items, Size elements, Size weight) {
  const Size most = Workers::most.load();
  const Size parts = smaller(most > 1 ? 4 * most : 1, elements * weight / SHARE + 1);
  return items / parts + (items % parts > 0);
}

// Computes `a.part(begin, end)` for all of the items; the work of each part is `a`'s own memory.
template <class Work>
static void share_items(const Work& a, Size items, Size elements, Size weight) {
  struct Shared {
    const Work& a;
    Size items, each;
  } shared = {a, items, items_of(items, elements, weight)};
  if (shared.each >= items || !Workers::are_free()) return a.part(0, items);
  share(
      Workers{}, (items + shared.each - 1) / shared.each,
      [](const void* given, Size index) {
        const Shared& s = *(const Shared*)given;
        s.a.part(index * s.each, smaller((index + 1) * s.each, s.items));
      },
      &shared);
}

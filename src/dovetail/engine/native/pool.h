// Work that XLA's threads share, and what XLA hands to a custom call.
#pragma once

#include <sched.h>

#include <atomic>
#include <chrono>
#include <new>

#include "vectors.h"
#include "xla/ffi/api/c_api.h"

struct Pool {
  const XLA_FFI_Api* api;  // null: this thread alone
  XLA_FFI_ExecutionContext* context;

  bool failed(XLA_FFI_Error* error) const {
    if (!error) return false;
    XLA_FFI_Error_Destroy_Args args = {};
    args.struct_size = XLA_FFI_Error_Destroy_Args_STRUCT_SIZE;
    args.error = error;
    api->XLA_FFI_Error_Destroy(&args);
    return true;
  }

  Size num_threads() const {
    if (!api) return 1;
    int64_t count = 1;
    XLA_FFI_ThreadPool_NumThreads_Args args = {};
    args.struct_size = XLA_FFI_ThreadPool_NumThreads_Args_STRUCT_SIZE;
    args.ctx = context;
    args.num_threads = &count;
    return failed(api->XLA_FFI_ThreadPool_NumThreads(&args)) || count < 1 ? 1 : count;
  }

  bool schedule(XLA_FFI_Task* task, void* data) const {
    XLA_FFI_ThreadPool_Schedule_Args args = {};
    args.struct_size = XLA_FFI_ThreadPool_Schedule_Args_STRUCT_SIZE;
    args.ctx = context;
    args.task = task;
    args.data = data;
    return !failed(api->XLA_FFI_ThreadPool_Schedule(&args));
  }

  void has_waited(std::chrono::nanoseconds) const {}
};

// Whether it is worth waking threads for one kind of brief work: on a busy machine they come when nothing is left of it, or
// are stopped amid their part.  Callers then do such work alone for a while.
struct Luck {
  std::atomic<int> late{0};  // times in a row
  std::atomic<int64_t> alone_until{0};
  enum { MOST_LATE = 3, LONG_NS = 200'000, ALONE_NS = 20'000'000 };

  static int64_t now() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }
  bool is_out() const { return alone_until.load(std::memory_order_relaxed) > now(); }
  void note(bool came, int64_t waited_ns) {
    if (came && waited_ns < LONG_NS) return late.store(0, std::memory_order_relaxed);
    if (!came && late.fetch_add(1, std::memory_order_relaxed) + 1 < MOST_LATE) return;
    late.store(0, std::memory_order_relaxed);
    alone_until.store(now() + ALONE_NS, std::memory_order_relaxed);
  }
};

static Size number_of_core() {
#if defined(__linux__)
  const int core = sched_getcpu();
  return core < 0 ? 0 : core;
#else
  static std::atomic<Size> threads{0};
  static thread_local const Size own = threads.fetch_add(1);
  return own;
#endif
}

// Parts of one piece of work. Who calls takes parts too, so that nothing waits for a thread that does not come.
//
// A core begins with the parts that have its number, as it were: what follows reads what it has written from its own cache.
struct Job {
  std::atomic<Size> unfinished, holders;
  Size count, threads;
  void (*part)(const void*, Size);
  const void* work;
  std::atomic<bool> taken[1];  // one for each part

  static Job* of(Size count) {
    Job* job = new (malloc(sizeof(Job) + count * sizeof(std::atomic<bool>))) Job;
    for (Size i = 0; i < count; ++i) job->taken[i].store(false, std::memory_order_relaxed);
    job->unfinished = job->count = count;
    return job;
  }
  Size first() const { return number_of_core() % threads * count / threads; }
  // Returns how many parts it has taken.
  Size run() {
    Size done = 0;
    for (Size i = 0, at = first(); i < count; ++i, at = at + 1 == count ? 0 : at + 1)
      if (!taken[at].load(std::memory_order_relaxed) && !taken[at].exchange(true)) {
        part(work, at);
        unfinished.fetch_sub(1);
        ++done;
      }
    return done;
  }
  void let_go() {
    if (holders.fetch_sub(1) == 1) free(this);
  }
  static void task(void* job) {
    ((Job*)job)->run();
    ((Job*)job)->let_go();
  }
};

// Computes `part(work, i)` for each i below `count`.  Threads: `Pool`, or another with its functions.
template <class Threads>
static void share(const Threads& pool, Size count, void (*part)(const void*, Size), const void* work,
                  Luck* luck = nullptr) {
  const Size helpers = smaller(count, pool.num_threads()) - 1;
  Job* job = Job::of(count);  // it outlives this call where a thread comes too late
  job->holders = helpers + 1;
  job->threads = helpers + 1;
  job->part = part;
  job->work = work;
  for (Size i = 0; i < helpers; ++i)
    if (!pool.schedule(Job::task, job)) job->let_go();
  const bool came = job->run() < count;
  std::chrono::nanoseconds waited{0};
  if (job->unfinished.load()) {
    const auto from = std::chrono::steady_clock::now();
    for (int turns = 0; job->unfinished.load(); ++turns)
      if (turns > 1000) sched_yield();
    waited = std::chrono::steady_clock::now() - from;
    pool.has_waited(waited);
  }
  if (luck && helpers) luck->note(came, waited.count());
  job->let_go();
}

// How many examples a thread takes at once.
static Size share_of(Size batch, const Pool& pool) {
  return smaller(64, rounded_up((batch + pool.num_threads() - 1) / pool.num_threads(), ROWS));
}

static Size size_of(XLA_FFI_DataType kind) {
  switch (kind) {
    case XLA_FFI_DataType_F64: case XLA_FFI_DataType_S64: case XLA_FFI_DataType_U64: return 8;
    case XLA_FFI_DataType_F32: case XLA_FFI_DataType_S32: case XLA_FFI_DataType_U32: return 4;
    case XLA_FFI_DataType_F16: case XLA_FFI_DataType_BF16: case XLA_FFI_DataType_S16: case XLA_FFI_DataType_U16: return 2;
    default: return 1;
  }
}

// The arguments of a custom call. Optional arrays follow the others; a mask is told by its dtype.
struct Call {
  XLA_FFI_CallFrame* frame;

  // Answers XLA's question for the version, which comes before the first call.
  bool is_question() const {
    XLA_FFI_Extension_Base* extension = frame->extension_start;
    if (!extension || extension->type != XLA_FFI_Extension_Metadata) return false;
    XLA_FFI_Metadata* metadata = ((XLA_FFI_Metadata_Extension*)extension)->metadata;
    metadata->api_version.major_version = XLA_FFI_API_MAJOR;
    metadata->api_version.minor_version = XLA_FFI_API_MINOR;
    return true;
  }
  Pool pool() const { return {frame->api, frame->ctx}; }
  const XLA_FFI_Buffer& argument(Size i) const { return *(XLA_FFI_Buffer*)frame->args.args[i]; }
  Size count(Size i) const {
    Size product = 1;
    for (Size axis = 0; axis < argument(i).rank; ++axis) product *= argument(i).dims[axis];
    return product;
  }
  const float* in(Size i) const { return (const float*)argument(i).data; }
  float* out(Size i) const {
    return i < frame->rets.size ? (float*)((XLA_FFI_Buffer*)frame->rets.rets[i])->data : nullptr;
  }
  Size result_bytes(Size i) const {
    const XLA_FFI_Buffer& result = *(XLA_FFI_Buffer*)frame->rets.rets[i];
    Size product = size_of(result.dtype);
    for (Size axis = 0; axis < result.rank; ++axis) product *= result.dims[axis];
    return product;
  }
  // The one attribute that such calls have, an array of integers.
  const int64_t* numbers() const { return (const int64_t*)((const XLA_FFI_Array*)frame->attrs.attrs[0])->data; }
  const uint8_t* mask(Size from) const { return (const uint8_t*)optional(from, true); }
  const float* sequence(Size from) const { return (const float*)optional(from, false); }
  const void* optional(Size from, bool booleans) const {
    for (Size i = from; i < frame->args.size; ++i)
      if ((argument(i).dtype == XLA_FFI_DataType_PRED) == booleans) return argument(i).data;
    return nullptr;
  }
};

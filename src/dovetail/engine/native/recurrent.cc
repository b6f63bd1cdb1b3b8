// Recurrent layers over whole sequences, both ways, in float32, as XLA's custom calls.
//
// XLA runs a loop over time as single small products with their own dispatch. Here a thread takes some examples of the
// batch through all steps by itself: nobody waits for anybody, the recurrent kernel stays in the cache of the core, and
// the gates are computed from the sums while these are in registers.
//
// Arrays are row-major with time first: (time, batch, columns). Arrays of kernels that were packed hold, for each block
// of columns, the rows one after another, so that the innermost loop reads memory in order.

#include <sched.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "xla/ffi/api/c_api.h"

#define EXPORT extern "C" __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))

// ---- vectors: as wide as the processor's, and as many rows at once as its registers hold sums of ------------------

#if defined(__AVX512F__)
#define WIDTH 16
#define ROWS 4
#elif defined(__AVX__)
#define WIDTH 8
#define ROWS 2
#else
#define WIDTH 4
#define ROWS 4
#endif

typedef float Vector __attribute__((vector_size(WIDTH * 4)));
typedef float Unaligned __attribute__((vector_size(WIDTH * 4), aligned(4)));
typedef int64_t Size;

INLINE Vector load(const float* from) { return *(const Unaligned*)from; }
INLINE Vector all(float x) { return x - (Vector){}; }

// The first `count` elements, where there may be fewer than a vector's.
INLINE Vector load(const float* from, Size count) {
  if (count >= WIDTH) return load(from);
  Vector v = {};
  memcpy(&v, from, count * sizeof(float));
  return v;
}

INLINE void store(float* to, Vector v, Size count) {
  if (count >= WIDTH)
    *(Unaligned*)to = v;
  else
    memcpy(to, &v, count * sizeof(float));
}

// The hyperbolic tangent as x P(x^2) / Q(x^2), fitted to it between -9 and 9: within 4e-7 of it, relative to it.
INLINE Vector tangent(Vector x) {
  const Vector high = all(9.0f), low = all(-9.0f);
  x = x > high ? high : x;
  x = x < low ? low : x;
  const Vector s = x * x;
  Vector p = s * 1.335522829e-8f + 2.060953729e-5f;
  p = p * s + 0.003495617823f;
  p = p * s + 0.1338105134f;
  p = p * s + 0.9999999795f;
  Vector q = s * 7.776803749e-7f + 0.0003285681931f;
  q = q * s + 0.02587709734f;
  q = q * s + 0.4671436697f;
  q = q * s + 1.0f;
  return x * p / q;
}

INLINE Vector sigmoid(Vector x) { return tangent(x * 0.5f) * 0.5f + 0.5f; }

INLINE Size smaller(Size a, Size b) { return a < b ? a : b; }
INLINE Size rounded_up(Size n, Size to) { return (n + to - 1) / to * to; }

// Memory of a number of floats, until the end of the block.
struct Room {
  float* at;
  explicit Room(Size count) : at((float*)aligned_alloc(64, rounded_up(count * sizeof(float) + 1, 64))) {}
  ~Room() { free(at); }
  Room(const Room&) = delete;
};

// ---- work that XLA's threads share --------------------------------------------------------------------------------

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
};

// Parts of one piece of work. Who calls takes parts too, so that nothing waits for a thread that does not come.
struct Job {
  std::atomic<Size> next{0}, unfinished;
  std::atomic<Size> holders;
  Size count;
  void (*part)(const void*, Size);
  const void* work;

  void run() {
    for (Size i; (i = next.fetch_add(1)) < count; unfinished.fetch_sub(1)) part(work, i);
  }
  void let_go() {
    if (holders.fetch_sub(1) == 1) free(this);
  }
  static void task(void* job) {
    ((Job*)job)->run();
    ((Job*)job)->let_go();
  }
};

// Computes `part(work, i)` for each i below `count`.
static void share(const Pool& pool, Size count, void (*part)(const void*, Size), const void* work) {
  const Size helpers = smaller(count, pool.num_threads()) - 1;
  Job* job = new (malloc(sizeof(Job))) Job;  // it outlives this call where a thread comes too late
  job->unfinished = job->count = count;
  job->holders = helpers + 1;
  job->part = part;
  job->work = work;
  for (Size i = 0; i < helpers; ++i)
    if (!pool.schedule(Job::task, job)) job->let_go();
  job->run();
  for (int turns = 0; job->unfinished.load(); ++turns)
    if (turns > 1000) sched_yield();
  job->let_go();
}

// How many examples a thread takes at once.
static Size share_of(Size batch, const Pool& pool) {
  return smaller(64, rounded_up((batch + pool.num_threads() - 1) / pool.num_threads(), ROWS));
}

// ---- products -----------------------------------------------------------------------------------------------------

// Adds to sums[r][j] the product of a row of x and block j of the columns of a packed kernel.
template <int R, int N>
INLINE void multiply(Vector (&sums)[R][N], const float* x, Size stride, const float* packed, Size depth) {
  for (Size k = 0; k < depth; ++k, packed += N * WIDTH) {
    Vector w[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) w[j] = *(const Vector*)(packed + j * WIDTH);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const Vector v = all(x[r * stride + k]);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sums[r][j] += v * w[j];
    }
  }
}

// A kernel (depth, gates * size): for each block of units its rows, and in these the gates of the units.
template <int GATES>
static void pack(const float* kernel, float* packed, Size depth, Size size) {
  for (Size u = 0; u < size; u += WIDTH)
    for (Size k = 0; k < depth; ++k)
      for (int g = 0; g < GATES; ++g, packed += WIDTH)
        *(Vector*)packed = load(kernel + (k * GATES + g) * size + u, size - u);
}

enum { BLOCKS = 4, PANEL = BLOCKS * WIDTH, DEPTH = 128 };  // a panel of DEPTH rows fits the innermost cache

// A kernel (size, depth), transposed: for each panel of units the rows of the transposed kernel.
static void pack_transposed(const float* kernel, float* packed, Size size, Size depth) {
  for (Size u = 0; u < size; u += PANEL, packed += depth * PANEL)
    for (Size from = 0; from < depth; from += 16)
      for (Size j = 0; j < PANEL; ++j)
        for (Size k = from; k < smaller(from + 16, depth); ++k)
          packed[k * PANEL + j] = u + j < size ? kernel[(u + j) * depth + k] : 0;
}

template <int R>
INLINE void panel_product(const float* x, Size depth, const float* packed, Size from, float* y, Size width) {
  Vector sums[R][BLOCKS];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < BLOCKS; ++j) sums[r][j] = from ? load(y + r * width + j * WIDTH) : (Vector){};
  multiply<R, BLOCKS>(sums, x + from, depth, packed + from * PANEL, smaller(DEPTH, depth - from));
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < BLOCKS; ++j) store(y + r * width + j * WIDTH, sums[r][j], WIDTH);
}

// y (rows, width) = x (rows, depth) times a kernel from `pack_transposed`; the width is a multiple of PANEL.
static void product(const float* x, Size rows, Size depth, const float* packed, float* y, Size width) {
  for (Size u = 0; u < width; u += PANEL, packed += depth * PANEL)
    for (Size from = 0; from < depth; from += DEPTH) {
      Size b = 0;
      for (; b + ROWS <= rows; b += ROWS)
        panel_product<ROWS>(x + b * depth, depth, packed, from, y + b * width + u, width);
      for (; b < rows; ++b) panel_product<1>(x + b * depth, depth, packed, from, y + b * width + u, width);
    }
}

// ---- LSTM: gates in the order i, f, g, o --------------------------------------------------------------------------

struct Lstm {
  Size time, batch, size, share;
  const float *z, *kernel, *h_first, *c_first;
  const uint8_t* mask;  // null: every step of every example counts
  float *hs, *h_last, *c_last, *cs, *gates;  // cs and gates, which the gradient needs, may be null
  const float* packed;
};

// One step of R examples from `b` on, for the units from `u` on.
template <int R>
INLINE void lstm_block(const Lstm& a, const float* packed, const float* h, const float* c, float* c_next, Size row,
                       Size u) {
  const Size size = a.size, count = size - u;
  Vector sums[R][4] = {};
  multiply<R, 4>(sums, h, size, packed, size);
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    const float* z = a.z + (row + r) * 4 * size + u;
    const Vector i = sigmoid(sums[r][0] + load(z, count)), f = sigmoid(sums[r][1] + load(z + size, count));
    const Vector g = tangent(sums[r][2] + load(z + 2 * size, count)), o = sigmoid(sums[r][3] + load(z + 3 * size, count));
    const Vector before = load(c + r * size + u, count);
    Vector after = f * before + i * g, output = o * tangent(after);
    if (a.mask && !a.mask[row + r]) {
      after = before;
      output = load(h + r * size + u, count);
    }
    store(a.hs + (row + r) * size + u, output, count);
    store(c_next + r * size + u, after, count);
    if (a.gates) {
      float* gates = a.gates + (row + r) * 4 * size + u;
      store(gates, i, count);
      store(gates + size, f, count);
      store(gates + 2 * size, g, count);
      store(gates + 3 * size, o, count);
    }
  }
}

static void lstm_share(const void* work, Size index) {
  const Lstm& a = *(const Lstm*)work;
  const Size size = a.size, begin = index * a.share, end = smaller(begin + a.share, a.batch);
  const float *h = a.h_first, *c = a.c_first;
  for (Size t = 0; t < a.time; ++t) {
    float* c_next = a.cs ? a.cs + t * a.batch * size : a.c_last;
    for (Size u = 0; u < size; u += WIDTH) {
      const float* packed = a.packed + u * 4 * size;
      Size b = begin;
      for (; b + ROWS <= end; b += ROWS)
        lstm_block<ROWS>(a, packed, h + b * size, c + b * size, c_next + b * size, t * a.batch + b, u);
      for (; b < end; ++b)
        lstm_block<1>(a, packed, h + b * size, c + b * size, c_next + b * size, t * a.batch + b, u);
    }
    h = a.hs + t * a.batch * size;
    c = c_next;
  }
  const Size count = (end - begin) * size * sizeof(float);
  memcpy(a.h_last + begin * size, h + begin * size, count);
  if (c != a.c_last) memcpy(a.c_last + begin * size, c + begin * size, count);
}

static void lstm(Lstm& a, const Pool& pool) {
  Room packed(rounded_up(a.size, WIDTH) * 4 * a.size);
  pack<4>(a.kernel, packed.at, a.size, a.size);
  a.packed = packed.at;
  a.share = share_of(a.batch, pool);
  share(pool, (a.batch + a.share - 1) / a.share, lstm_share, &a);
}

struct LstmGradient {
  Size time, batch, size, share;
  const float *gh_last, *gc_last, *kernel, *cs, *gates, *c_first;
  const float* ghs;  // of the outputs of all steps; null: zeros
  const uint8_t* mask;
  float *gz, *gh_first, *gc_first;
  const float* packed;
};

// The gradients of the gates before their activations, of one step of one example.
INLINE void lstm_gates_gradient(const LstmGradient& a, Size row, const float* c_before, const float* gh, float* gc) {
  const Size size = a.size;
  const float *gates = a.gates + row * 4 * size, *c = a.cs + row * size;
  float* gz = a.gz + row * 4 * size;
  for (Size u = 0; u < size; u += WIDTH) {
    const Size count = size - u;
    const Vector i = load(gates + u, count), f = load(gates + size + u, count);
    const Vector g = load(gates + 2 * size + u, count), o = load(gates + 3 * size + u, count);
    const Vector of_h = load(gh + u, count), y = tangent(load(c + u, count));
    const Vector of_c = load(gc + u, count) + of_h * o * (1.0f - y * y);
    store(gz + u, of_c * g * i * (1.0f - i), count);
    store(gz + size + u, of_c * load(c_before + u, count) * f * (1.0f - f), count);
    store(gz + 2 * size + u, of_c * i * (1.0f - g * g), count);
    store(gz + 3 * size + u, of_h * y * o * (1.0f - o), count);
    store(gc + u, of_c * f, count);
  }
}

static void lstm_gradient_share(const void* work, Size index) {
  const LstmGradient& a = *(const LstmGradient*)work;
  const Size size = a.size, begin = index * a.share, rows = smaller(begin + a.share, a.batch) - begin;
  const Size width = rounded_up(size, PANEL);
  Room gh(rows * width), next(rows * width);
  float* gc = a.gc_first + begin * size;
  for (Size b = 0; b < rows; ++b)
    memcpy(gh.at + b * width, a.gh_last + (begin + b) * size, size * sizeof(float));
  memcpy(gc, a.gc_last + begin * size, rows * size * sizeof(float));
  for (Size t = a.time - 1; t >= 0; --t) {
    const Size row = t * a.batch + begin;
    const float* before = (t ? a.cs + (t - 1) * a.batch * size : a.c_first) + begin * size;
    for (Size b = 0; b < rows; ++b) {
      float* of_h = gh.at + b * width;
      if (a.ghs)
        for (Size u = 0; u < size; ++u) of_h[u] += a.ghs[(row + b) * size + u];
      if (a.mask && !a.mask[row + b])
        memset(a.gz + (row + b) * 4 * size, 0, 4 * size * sizeof(float));
      else
        lstm_gates_gradient(a, row + b, before + b * size, of_h, gc + b * size);
    }
    product(a.gz + row * 4 * size, rows, 4 * size, a.packed, next.at, width);
    for (Size b = 0; b < rows; ++b)
      if (!a.mask || a.mask[row + b]) memcpy(gh.at + b * width, next.at + b * width, size * sizeof(float));
  }
  for (Size b = 0; b < rows; ++b)
    memcpy(a.gh_first + (begin + b) * size, gh.at + b * width, size * sizeof(float));
}

static void lstm_gradient(LstmGradient& a, const Pool& pool) {
  Room packed(rounded_up(a.size, PANEL) * 4 * a.size);
  pack_transposed(a.kernel, packed.at, a.size, 4 * a.size);
  a.packed = packed.at;
  a.share = share_of(a.batch, pool);
  share(pool, (a.batch + a.share - 1) / a.share, lstm_gradient_share, &a);
}

// ---- the product over rows, which gives kernels their gradients: (rows, m)^T (rows, n) -> (m, n) ------------------

struct OverRows {
  Size rows, m, n, share;
  const float *x, *y;
  float* z;
};

// `count` columns of x from `at` on, R at a time, each group with its rows one after another.
template <int R>
static void pack_columns(const float* x, float* packed, Size rows, Size columns) {
  for (Size m = 0; m < columns; m += R)
    for (Size k = 0; k < rows; ++k)
#pragma GCC unroll 8
      for (Size r = 0; r < R; ++r, ++packed) *packed = m + r < columns ? x[k * columns + m + r] : 0;
}

// Adds the products of some rows to R rows of a panel of z; both packed.
template <int R>
INLINE void over_rows_block(const float* x, const float* y, Size rows, float* z, Size stride, Size count, Size columns,
                            bool add) {
  Vector sums[R][BLOCKS] = {};
  for (Size k = 0; k < rows; ++k, x += R, y += PANEL) {
    Vector w[BLOCKS];
#pragma GCC unroll 4
    for (int j = 0; j < BLOCKS; ++j) w[j] = *(const Vector*)(y + j * WIDTH);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vector v = all(x[r]);
#pragma GCC unroll 4
      for (int j = 0; j < BLOCKS; ++j) sums[r][j] += v * w[j];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
    if (r < count)
#pragma GCC unroll 4
      for (int j = 0; j < BLOCKS; ++j)
        if (Size left = columns - j * WIDTH; left > 0) {
          float* at = z + r * stride + j * WIDTH;
          store(at, add ? load(at, left) + sums[r][j] : sums[r][j], left);
        }
}

enum { TALL = ROWS };

static void over_rows_share(const void* work, Size index) {
  const OverRows& a = *(const OverRows*)work;
  const Size begin = index * a.share, end = smaller(begin + a.share, a.n);
  Room x(DEPTH * rounded_up(a.m, TALL)), y(DEPTH * PANEL);
  for (Size k = 0; k < a.rows; k += DEPTH) {
    const Size rows = smaller(DEPTH, a.rows - k);
    pack_columns<TALL>(a.x + k * a.m, x.at, rows, a.m);
    for (Size n = begin; n < end; n += PANEL) {
      for (Size i = 0; i < rows; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < BLOCKS; ++j)
          *(Vector*)(y.at + i * PANEL + j * WIDTH) =
              a.n - n > j * WIDTH ? load(a.y + (k + i) * a.n + n + j * WIDTH, a.n - n - j * WIDTH) : (Vector){};
      for (Size m = 0; m < a.m; m += TALL)
        over_rows_block<TALL>(x.at + m * rows, y.at, rows, a.z + m * a.n + n, a.n, a.m - m, end - n, k > 0);
    }
  }
}

static void over_rows(OverRows& a, const Pool& pool) {
  a.share = rounded_up((a.n + pool.num_threads() - 1) / pool.num_threads(), PANEL);
  share(pool, (a.n + a.share - 1) / a.share, over_rows_share, &a);
}

// ---- doors: XLA's custom calls, and plain functions for one thread, with which the library is checked ---------------

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
  const float* in(Size i) const { return (const float*)argument(i).data; }
  float* out(Size i) const {
    return i < frame->rets.size ? (float*)((XLA_FFI_Buffer*)frame->rets.rets[i])->data : nullptr;
  }
  const uint8_t* mask(Size from) const { return (const uint8_t*)optional(from, true); }
  const float* sequence(Size from) const { return (const float*)optional(from, false); }
  const void* optional(Size from, bool booleans) const {
    for (Size i = from; i < frame->args.size; ++i)
      if ((argument(i).dtype == XLA_FFI_DataType_PRED) == booleans) return argument(i).data;
    return nullptr;
  }
};

EXPORT XLA_FFI_Error* dovetail_lstm(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const int64_t* shape = call.argument(0).dims;
  Lstm a = {shape[0],    shape[1],    shape[2] / 4, 0,           call.in(0),  call.in(1),  call.in(2), call.in(3),
            call.mask(4), call.out(0), call.out(1),  call.out(2), call.out(3), call.out(4), nullptr};
  lstm(a, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_lstm_gradient(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const int64_t* shape = call.argument(3).dims;
  LstmGradient a = {shape[0],         shape[1],     shape[2],    0,           call.in(0),  call.in(1),
                    call.in(2),       call.in(3),   call.in(4),  call.in(5),  call.sequence(6), call.mask(6),
                    call.out(0),      call.out(1),  call.out(2), nullptr};
  lstm_gradient(a, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_over_rows(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const int64_t *x = call.argument(0).dims, *y = call.argument(1).dims;
  OverRows a = {x[0], x[1], y[1], 0, call.in(0), call.in(1), call.out(0)};
  over_rows(a, call.pool());
  return nullptr;
}

EXPORT void plain_lstm(const Lstm* a) {
  Lstm copy = *a;
  lstm(copy, Pool{});
}

EXPORT void plain_lstm_gradient(const LstmGradient* a) {
  LstmGradient copy = *a;
  lstm_gradient(copy, Pool{});
}

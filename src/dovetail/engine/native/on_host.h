// What NumPy's callers call: functions of Python's objects, by the buffers that these lend (`PyObject_GetBuffer`).
//
// Python's functions come from the process that has loaded the library; so its headers are not needed.  They are called
// with Python's lock held; long work is done without it.
#pragma once

#include "along.h"
#include "attention.h"
#include "columns.h"
#include "dense.h"
#include "few_largest.h"
#include "running.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

// Python's Py_buffer, which its stable ABI fixes.
struct Buffer {
  void *at, *object;
  ssize_t num_bytes, item_bytes;
  int read_only, rank;
  char* format;
  ssize_t *shape, *strides, *offsets;
  void* internal;
};

static struct Python {
  int (*lend)(void*, Buffer*, int);
  void (*give_back)(Buffer*);
  void* (*leave)();
  void (*enter)(void*);
  void* none;
} python;

// An array: contiguous, of float32.  Not there: it was None, or Python has noted an error, which ctypes raises later.
struct Array {
  Buffer buffer;
  bool there;

  explicit Array(void* object, int writable = 0)
      : there(object != python.none && !python.lend(object, &buffer, writable)) {}
  ~Array() {
    if (there) python.give_back(&buffer);
  }
  Array(const Array&) = delete;
  float* at() const { return there ? (float*)buffer.at : nullptr; }
  Size count() const { return buffer.num_bytes / (Size)sizeof(float); }
};

// Without Python's lock, where that is worth it.
struct Unlocked {
  void* state;
  explicit Unlocked(Size work) : state(work < SHARE / 2 ? nullptr : python.leave()) {}
  ~Unlocked() {
    if (state) python.enter(state);
  }
};

EXPORT void host_begin(int (*lend)(void*, Buffer*, int), void (*give_back)(Buffer*), void* (*leave)(),
                       void (*enter)(void*), void* none) {
  python = {lend, give_back, leave, enter, none};
}

EXPORT void host_threads(Size count) { Workers::most.store(count < 1 ? 1 : count); }

EXPORT void host_each(int function, void* of_x, void* of_y) {
  const Array x(of_x), y(of_y, 1);
  if (!x.there || !y.there) return;
  const Unlocked unlocked(x.count() * HEAVY);
  Each{x.at(), y.at(), x.count(), function}.all();
}

EXPORT void host_rows(int what, void* of_x, void* of_y, void* of_gamma, void* of_beta, Size columns, float epsilon) {
  const Array x(of_x), y(of_y, 1), gamma(of_gamma), beta(of_beta);
  if (!x.there || !y.there) return;
  const Unlocked unlocked(x.count() * HEAVY);
  Rows{x.at(), gamma.at(), beta.at(), y.at(), x.count() / columns, columns, epsilon, what}.all();
}

EXPORT void host_reduced(int how, void* of_x, void* of_y, Size outer, Size rows, Size inner) {
  const Array x(of_x), y(of_y, 1);
  if (!x.there || !y.there) return;
  const Unlocked unlocked(x.count());
  if (inner == 1)
    Along::all(x.at(), y.at(), outer, rows, how);
  else
    Reduced{x.at(), y.at(), outer, rows, inner, how}.all();
}

EXPORT void host_few_largest(void* of_x, void* of_values, void* of_places, Size columns, Size few) {
  const Array x(of_x), values(of_values, 1), places(of_places, 1);
  if (!x.there || !values.there || !places.there) return;
  const Unlocked unlocked(x.count() * HEAVY);
  FewLargest{x.at(), values.at(), (int32_t*)places.at(), x.count() / columns, columns, few}.all();
}

EXPORT void host_running(void* of_x, void* of_y, Size columns) {
  const Array x(of_x), y(of_y, 1);
  if (!x.there || !y.there) return;
  const Unlocked unlocked(x.count() * HEAVY);
  Running{x.at(), y.at(), x.count() / columns, columns}.all();
}

EXPORT void host_batch_norm(void* of_x, void* of_y, void* of_mean, void* of_variance, void* of_offset, void* of_scale,
                            float epsilon) {
  const Array x(of_x), y(of_y, 1), mean(of_mean), variance(of_variance), offset(of_offset), scale(of_scale);
  if (!x.there || !y.there || !mean.there || !variance.there) return;
  const Unlocked unlocked(x.count());
  const Size columns = mean.count();
  batch_norm({x.at(), nullptr, nullptr, y.at(), x.count() / columns, columns}, mean.at(), variance.at(), offset.at(),
             scale.at(), epsilon);
}

EXPORT void host_group_norm(void* of_x, void* of_y, void* of_gamma, void* of_beta, Size batch, Size channels,
                            Size groups, float epsilon) {
  const Array x(of_x), y(of_y, 1), gamma(of_gamma), beta(of_beta);
  if (!x.there || !y.there) return;
  const Unlocked unlocked(x.count());
  const Size places = x.count() / batch / channels;
  Groups{x.at(), gamma.at(), beta.at(), y.at(), batch, places, channels, groups, epsilon}.all();
}

// sizes: batch, channels, then the six of each axis.
EXPORT void host_windows(int mean, void* of_x, void* of_y, void* of_sizes) {
  const Array x(of_x), y(of_y, 1), sizes(of_sizes);
  if (!x.there || !y.there || !sizes.there) return;
  const Size* n = (const Size*)sizes.buffer.at;
  const Unlocked unlocked(x.count());
  Windows{x.at(), y.at(), n[0], n[1], {n[2], n[3], n[4], n[5], n[6], n[7]}, {n[8], n[9], n[10], n[11], n[12], n[13]},
          mean != 0}
      .all();
}

EXPORT void host_dense(void* of_x, void* of_kernel, void* of_bias, void* of_y, Size depth, Size columns, int function) {
  const Array x(of_x), kernel(of_kernel), bias(of_bias), y(of_y, 1);
  if (!x.there || !kernel.there || !y.there) return;
  const Size rows = x.count() / depth;
  const Unlocked unlocked(rows * depth * columns / 8);
  Dense a{x.at(), kernel.at(), bias.at(), y.at(), nullptr, rows, depth, columns, function, depth, columns, columns};
  if (rows < FEW_ROWS)
    a.of_few();
  else
    a.all();
}

EXPORT void host_attention(void* of_query, void* of_key, void* of_value, void* of_y, void* of_sizes, float scale,
                           int causal) {
  const Array query(of_query), key(of_key), value(of_value), y(of_y, 1), sizes(of_sizes);
  if (!query.there || !key.there || !value.there || !y.there || !sizes.there) return;
  const Size* n = (const Size*)sizes.buffer.at;
  const Unlocked unlocked(query.count() * n[2]);
  Attention{query.at(), key.at(), value.at(), y.at(), n[0], n[1], n[2], n[3], n[4], n[5], scale, causal != 0}.all();
}

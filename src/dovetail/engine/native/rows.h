// Softmax and layer normalization with their gradients, for XLA: over the rows of a matrix, while a row stays in the innermost cache.
//
// Sums over all rows, of which the parameters' gradients are, are taken a fixed number of rows at a time, and these parts added in their
// order: the result does not depend on which thread came first, nor on how many there are.
#pragma once

#include "pool.h"
#include "softmax.h"

enum { SOME_ROWS = 64, MOST_PARTS = 64 };  // rows of a part at least; parts at most

static Size rows_of_part(Size rows) {
  const Size wanted = (rows + MOST_PARTS - 1) / MOST_PARTS;
  return wanted > SOME_ROWS ? wanted : (Size)SOME_ROWS;
}

// Calls `work.row(r)` for all rows, in parts of about as many numbers as make a part worth it.
template <class Work>
static void share_rows(const Work& work, Size rows, Size columns, const Pool& pool) {
  struct Some {
    const Work& work;
    Size rows, each;
  };
  const Size least = (1 << 14) / (columns + 1) + 1, even = (rows + 4 * pool.num_threads() - 1) / (4 * pool.num_threads());
  const Some some = {work, rows, even > least ? even : least};
  share(pool, (rows + some.each - 1) / some.each, [](const void* given, Size i) {
    const Some& a = *(const Some*)given;
    for (Size r = i * a.each; r < smaller((i + 1) * a.each, a.rows); ++r) a.work.row(r);
  }, &some);
}

struct SoftmaxRows {
  const float* x;
  float* y;
  Size columns;
  void row(Size r) const { softmax_row(x + r * columns, y + r * columns, columns); }
};

// y (g - sum(g y))
struct SoftmaxGradient {
  const float *g, *y;
  float* to;
  Size columns;
  void row(Size r) const {
    const float *of_g = g + r * columns, *of_y = y + r * columns;
    float* at = to + r * columns;
    Vector products = {};
    for (Size i = 0; i < columns; i += WIDTH) products += load(of_g + i, columns - i) * load(of_y + i, columns - i);
    const float sum = total(products, columns);
    for (Size i = 0; i < columns; i += WIDTH)
      store(at + i, load(of_y + i, columns - i) * (load(of_g + i, columns - i) - sum), columns - i);
  }
};

// The logarithm of the sum of exp(x), minus the number of a label; NaN where there is no such number.
struct LabelLoss {
  const float* x;
  const int32_t* labels;
  float* y;
  Size columns;
  void row(Size r) const {
    const float *from = x + r * columns, most = largest(from, columns);
    const int32_t label = labels[r];
    const float size = logf(exponentials(from, most, nullptr, columns));
    y[r] = label >= 0 && label < columns ? size - (from[label] - most) : NAN;
  }
};

// g (softmax(x) - 1 at the label)
struct LabelGradient {
  const float *g, *x;
  const int32_t* labels;
  float* y;
  Size columns;
  void row(Size r) const {
    const float* from = x + r * columns;
    float* to = y + r * columns;
    const int32_t label = labels[r];
    const float scale = g[r] / exponentials(from, largest(from, columns), to, columns);
    for (Size i = 0; i < columns; i += WIDTH) store(to + i, load(to + i, columns - i) * scale, columns - i);
    if (label >= 0 && label < columns) to[label] -= g[r];
  }
};

struct LayerNormRows {
  const float *x, *gamma, *beta;  // gamma and beta may be null
  float* y;
  Size columns;
  float epsilon;
  bool rms;
  void row(Size r) const {
    layer_norm_row(x + r * columns, gamma, beta, y + r * columns, columns, epsilon, rms);
  }
};

// What a call is told: which parameters there are, besides the sizes.
struct NormSizes {
  Size rows, columns, rms, scale, center;
  double epsilon;
};

struct LayerNormGradient {
  const float *g, *x, *gamma;  // gamma may be null
  float *to, *of_gamma, *of_beta;  // so may be the last two
  Size rows, columns;
  float epsilon;
  bool rms;
  float* sums;  // of each part: of gamma's gradient, then of beta's

  Size parts() const { return (rows + rows_of_part(rows) - 1) / rows_of_part(rows); }

  void row(const float* of_g, const float* of_x, float* at, float* gammas, float* betas) const {
    Vector sum = {}, squares = {}, inners = {}, products = {};
    if (!rms)
      for (Size i = 0; i < columns; i += WIDTH) sum += load(of_x + i, columns - i);
    const float mean = total(sum, columns) / columns;
    for (Size i = 0; i < columns; i += WIDTH) {
      const Size left = columns - i;
      const Vector centered = only(load(of_x + i, left) - mean, left);
      const Vector inner = gamma ? load(of_g + i, left) * load(gamma + i, left) : load(of_g + i, left);
      squares += centered * centered;
      inners += inner;
      products += inner * centered;
    }
    const float scale = 1 / sqrtf(total(squares, columns) / columns + epsilon);
    const float of_inner = rms ? 0 : total(inners, columns) / columns;
    const float of_normal = total(products, columns) / columns * scale;
    for (Size i = 0; i < columns; i += WIDTH) {
      const Size left = columns - i;
      const Vector from = load(of_g + i, left), normal = (load(of_x + i, left) - mean) * scale;
      const Vector inner = gamma ? from * load(gamma + i, left) : from;
      store(at + i, (inner - normal * of_normal - of_inner) * scale, left);
      if (of_gamma) store(gammas + i, load(gammas + i, left) + from * normal, left);
      if (of_beta) store(betas + i, load(betas + i, left) + from, left);
    }
  }
  void part(Size number) const {
    float *gammas = sums + 2 * number * columns, *betas = gammas + columns;
    memset(gammas, 0, 2 * columns * sizeof(float));
    const Size each = rows_of_part(rows), end = smaller((number + 1) * each, rows);
    for (Size r = number * each; r < end; ++r)
      row(g + r * columns, x + r * columns, to + r * columns, gammas, betas);
  }
  void add(float* to, const float* from) const {
    if (!to) return;
    for (Size i = 0; i < columns; i += WIDTH) {
      Vector sum = {};
      for (Size p = 0; p < parts(); ++p) sum += load(from + 2 * p * columns + i, columns - i);
      store(to + i, sum, columns - i);
    }
  }
};

static void layer_norm_gradient(LayerNormGradient a, const Pool& pool) {
  Room memory(2 * a.parts() * a.columns);
  a.sums = memory.at;
  share(pool, a.parts(), [](const void* a, Size i) { ((const LayerNormGradient*)a)->part(i); }, &a);
  a.add(a.of_gamma, a.sums);
  a.add(a.of_beta, a.sums + a.columns);
}

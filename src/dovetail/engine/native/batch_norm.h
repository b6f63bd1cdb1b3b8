// Batch normalization by the statistics of the batch, and its gradient: (rows, columns), whose columns are channels.
//
// Statistics are those of blocks of rows that stay in the innermost cache, joined in their order (T. Chan, G. Golub, R. LeVeque, 1979):
// they are as exact as two passes over memory, and take one.
#pragma once

#include "rows.h"

// Mean and sum of squared differences of some rows; and what is made of several.
struct Moments {
  float *mean, *squares;

  void join(Size columns, Size before, const float* more, const float* other, Size count) const {
    const float share = (float)count / (before + count), weight = (float)before * share;
    for (Size j = 0; j < columns; j += WIDTH) {
      const Size left = columns - j;
      const Vector apart = load(more + j, left) - load(mean + j, left);
      store(squares + j, load(squares + j, left) + load(other + j, left) + apart * apart * weight, left);
      store(mean + j, load(mean + j, left) + apart * share, left);
    }
  }
};

struct BatchNorm {
  const float *x, *gamma, *beta, *other;  // the last three may be null; other: what is added to the result, or null
  float *y, *mean, *variance;
  Size rows, columns;
  float epsilon;
  bool floor;  // whether negative numbers become 0
  float* sums;  // mean and squares of each part

  Size parts() const { return (rows + rows_of_part(rows) - 1) / rows_of_part(rows); }
  Moments of(Size part) const { return {sums + 2 * part * columns, sums + (2 * part + 1) * columns}; }
  Size end_of(Size part) const { return smaller((part + 1) * rows_of_part(rows), rows); }

  // Of up to SOME_ROWS rows.
  void block(const float* from, Size count, float* mean, float* squares) const {
    for (Size j = 0; j < columns; j += WIDTH) {
      const Size left = columns - j;
      Vector some[4] = {}, apart[4] = {};
      for (Size r = 0; r < count; ++r) some[r % 4] += load(from + r * columns + j, left);
      const Vector middle = ((some[0] + some[1]) + (some[2] + some[3])) / (float)count;
      for (Size r = 0; r < count; ++r) {
        const Vector centered = load(from + r * columns + j, left) - middle;
        apart[r % 4] += centered * centered;
      }
      store(mean + j, middle, left);
      store(squares + j, (apart[0] + apart[1]) + (apart[2] + apart[3]), left);
    }
  }
  void measure(Size part) const {
    const Moments own = of(part);
    const Size begin = part * rows_of_part(rows), end = end_of(part);
    Room room(2 * columns);
    for (Size r = begin; r < end; r += SOME_ROWS) {
      const Size count = smaller(SOME_ROWS, end - r);
      if (r == begin) {
        block(x + r * columns, count, own.mean, own.squares);
      } else {
        block(x + r * columns, count, room.at, room.at + columns);
        own.join(columns, r - begin, room.at, room.at + columns, count);
      }
    }
  }
  void join() const {
    for (Size p = 1; p < parts(); ++p)
      of(0).join(columns, p * rows_of_part(rows), of(p).mean, of(p).squares, end_of(p) - p * rows_of_part(rows));
    for (Size j = 0; j < columns; ++j) {
      mean[j] = of(0).mean[j];
      variance[j] = of(0).squares[j] / rows;
      of(0).squares[j] = (gamma ? gamma[j] : 1.0f) / sqrtf(variance[j] + epsilon);  // what is multiplied with
    }
  }
  void row(Size r) const {
    const float* factor = of(0).squares;
    for (Size j = 0; j < columns; j += WIDTH) {
      const Size left = columns - j, i = r * columns + j;
      Vector v = (load(x + i, left) - load(mean + j, left)) * load(factor + j, left);
      if (beta) v += load(beta + j, left);
      if (other) v += load(other + i, left);
      if (floor) v = v < 0.0f ? Vector{} : v;  // NaN stays
      store(y + i, v, left);
    }
  }
};

static void batch_norm(BatchNorm a, const Pool& pool) {
  Room memory(2 * a.parts() * a.columns);
  a.sums = memory.at;
  share(pool, a.parts(), [](const void* a, Size i) { ((const BatchNorm*)a)->measure(i); }, &a);
  a.join();
  share_rows(a, a.rows, a.columns, pool);
}

struct BatchNormGradient {
  const float *g, *of_mean, *of_variance, *x, *mean, *variance, *gamma;  // gamma may be null
  float *to, *of_gamma, *of_beta;                                      // so may be the last two
  Size rows, columns;
  float epsilon;
  float* sums;  // of each part: of g, then of g times what is normalized; at the end three numbers of each column

  Size parts() const { return (rows + rows_of_part(rows) - 1) / rows_of_part(rows); }

  void add_up(Size part) const {
    float *of_g = sums + 2 * part * columns, *along = of_g + columns;
    const Size begin = part * rows_of_part(rows), end = smaller(begin + rows_of_part(rows), rows);
    memset(of_g, 0, 2 * columns * sizeof(float));
    for (Size from = begin; from < end; from += SOME_ROWS)
      for (Size j = 0; j < columns; j += WIDTH) {
        const Size left = columns - j, to = smaller(from + SOME_ROWS, end);
        const Vector middle = load(mean + j, left);
        Vector some[2] = {}, more[2] = {};
        for (Size r = from; r < to; ++r) {
          const Vector v = load(g + r * columns + j, left);
          some[r % 2] += v;
          more[r % 2] += v * (load(x + r * columns + j, left) - middle);
        }
        store(of_g + j, load(of_g + j, left) + (some[0] + some[1]), left);
        store(along + j, load(along + j, left) + (more[0] + more[1]), left);
      }
  }
  void join() const {
    float *factor = sums + 2 * parts() * columns, *shift = factor + columns, *slope = shift + columns;
    for (Size j = 0; j < columns; ++j) {
      float of_g = 0, along = 0;
      for (Size p = 0; p < parts(); ++p) of_g += sums[2 * p * columns + j], along += sums[(2 * p + 1) * columns + j];
      const float deviation = 1 / sqrtf(variance[j] + epsilon), share = 1.0f / rows;
      factor[j] = gamma ? gamma[j] * deviation : deviation;
      shift[j] = (of_mean[j] - of_g * factor[j]) * share;
      slope[j] = (2 * of_variance[j] - along * deviation * deviation * factor[j]) * share;
      if (of_gamma) of_gamma[j] = along * deviation;
      if (of_beta) of_beta[j] = of_g;
    }
  }
  void row(Size r) const {
    const float *factor = sums + 2 * parts() * columns, *shift = factor + columns, *slope = shift + columns;
    for (Size j = 0; j < columns; j += WIDTH) {
      const Size left = columns - j, i = r * columns + j;
      const Vector centered = load(x + i, left) - load(mean + j, left);
      store(to + i, load(g + i, left) * load(factor + j, left) + load(shift + j, left) + centered * load(slope + j, left),
            left);
    }
  }
};

static void batch_norm_gradient(BatchNormGradient a, const Pool& pool) {
  Room memory((2 * a.parts() + 3) * a.columns);
  a.sums = memory.at;
  share(pool, a.parts(), [](const void* a, Size i) { ((const BatchNormGradient*)a)->add_up(i); }, &a);
  a.join();
  share_rows(a, a.rows, a.columns, pool);
}

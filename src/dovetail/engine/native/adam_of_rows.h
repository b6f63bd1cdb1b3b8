// Steps of Adam whose gradients are sums over few rows, such as the examples of a batch: they stay in registers.
#pragma once

#include "adam.h"
#include "few_rows.h"

// The gradient of a kernel (depth, width) is x (rows, depth), transposed, times y (rows, width); that of a bias (width) is
// the sum of the rows of y, and there is no x: the depth is 1.
struct AdamOfRows {
  Size rows, depth, width, share;
  const float *x, *y;
  Adam step;
};

// R rows of the kernel, a panel of columns, from number `at` on.
template <int R, int N, bool WHOLE, bool NEARLY>
INLINE void move_block(const AdamOfRows& a, const Rule& rule, const float* x, const float* y, Size at, Size left) {
  Vector sums[R][N] = {};
  for (Size k = 0; k < a.rows; ++k, y += a.width) {
    Vector w[N];
    read<N, WHOLE>(w, y, left);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vector v = x ? all(x[k * a.depth + r]) : all(1.0f);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sums[r][j] += v * w[j];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j)
      move_vector<NEARLY>(a.step, rule, at + r * a.width + j * WIDTH, sums[r][j], WHOLE || j + 1 < N ? WIDTH : left);
}

template <int N, bool WHOLE, bool NEARLY>
static void move_panel(const AdamOfRows& a, Size begin, Size end, Size column, Size left) {
  const Rule rule(a.step.numbers);
  const float* y = a.y + column;
  Size r = begin;
  for (; r + HIGH <= end; r += HIGH) move_block<HIGH, N, WHOLE, NEARLY>(a, rule, a.x + r, y, r * a.width + column, left);
  for (; r < end; ++r) move_block<1, N, WHOLE, NEARLY>(a, rule, a.x ? a.x + r : nullptr, y, r * a.width + column, left);
}

// The rows of the kernel from `begin` to `end`.
template <bool NEARLY>
static void move_rows(const AdamOfRows& a, Size begin, Size end) {
  Size column = 0;
  for (; column + PANEL <= a.width; column += PANEL) move_panel<BLOCKS, true, NEARLY>(a, begin, end, column, WIDTH);
  const Size vectors = (a.width - column + WIDTH - 1) / WIDTH, left = a.width - column - (vectors - 1) * WIDTH;
  if (vectors == 1) move_panel<1, false, NEARLY>(a, begin, end, column, left);
  if (vectors == 2) move_panel<2, false, NEARLY>(a, begin, end, column, left);
  if (vectors == 3) move_panel<3, false, NEARLY>(a, begin, end, column, left);
  if (vectors == 4) move_panel<4, false, NEARLY>(a, begin, end, column, left);
}

static void adam_of_rows_share(const void* work, Size index) {
  const AdamOfRows& a = *(const AdamOfRows*)work;
  const Size begin = index * a.share, end = smaller(begin + a.share, a.depth);
  if (Rule(a.step.numbers).may_be_near())
    move_rows<true>(a, begin, end);
  else
    move_rows<false>(a, begin, end);
}

static void adam_of_rows(AdamOfRows& a, const Pool& pool) {
  static Luck luck;
  a.share = share_of_sums(a.rows * a.depth * a.width, a.depth, HIGH, pool, luck);
  share(pool, (a.depth + a.share - 1) / a.share, adam_of_rows_share, &a, &luck);
}

// What a custom call is given for each variable: numbers, its gradient or the one or two matrices that it is a sum of,
// the value and both means.  Variables with two matrices come first; of the others, those whose matrix has an axis more
// than the value.
struct Variables {
  const Call& call;
  Size count, products, argument = 0;

  explicit Variables(const Call& call)
      : call(call), count(call.frame->rets.size / 3), products(call.frame->args.size - 5 * count) {}

  void move_all() {
    for (Size i = 0; i < count; ++i) move(i, i < products);
  }
  void move(Size i, bool product) {
    const Size made = argument + 1, of = made + product;  // where its matrices are
    const XLA_FFI_Buffer &y = call.argument(of), &value = call.argument(of + 1);
    const Adam step = {call.count(of + 1), 0,
                       call.in(of), call.in(of + 1), call.in(of + 2), call.in(of + 3), call.in(argument),
                       call.out(3 * i), call.out(3 * i + 1), call.out(3 * i + 2)};
    argument = of + 4;
    if (product || y.rank > value.rank) {
      AdamOfRows a = {y.dims[0], product ? call.argument(made).dims[1] : 1, y.dims[1], 0,
                      product ? call.in(made) : nullptr, call.in(of), step};
      adam_of_rows(a, call.pool());
    } else {
      Adam a = step;
      adam(a, call.pool());
    }
  }
};

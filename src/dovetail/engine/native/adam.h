// One step of Adam in one pass over memory: each number is read once and written once, in place where XLA allows it.
#pragma once

#include "pool.h"

struct Adam {
  Size count, share;
  // numbers: 1 - beta_1, 1 - beta_2, the corrected rate, epsilon
  const float *gradient, *value, *momentum, *velocity, *numbers;
  float *new_value, *new_momentum, *new_velocity;
};

enum { ADAM_SHARE = 1 << 18 };  // fewer numbers a thread are not worth waking one

template <bool NEARLY>
static void move(const Adam& a, Size begin, Size end) {
  const float slow = a.numbers[0], slower = a.numbers[1], rate = a.numbers[2], epsilon = a.numbers[3];
  for (Size i = begin; i < end; i += WIDTH) {
    const Size left = end - i;
    const Vector g = load(a.gradient + i, left), m = load(a.momentum + i, left), v = load(a.velocity + i, left);
    const Vector mean = m + (g - m) * slow, square = v + (g * g - v) * slower;
    store(a.new_momentum + i, mean, left);
    store(a.new_velocity + i, square, left);
    store(a.new_value + i, load(a.value + i, left) - mean * rate / ((NEARLY ? nearly_root(square) : root(square)) + epsilon), left);
  }
}

static void adam_share(const void* work, Size index) {
  const Adam& a = *(const Adam*)work;
  const Size begin = index * a.share, end = smaller(begin + a.share, a.count);
  if (a.numbers[3] > 1e-12f)  // beside it, neither tiny roots nor their last bit are seen
    move<true>(a, begin, end);
  else
    move<false>(a, begin, end);
}

static void adam(Adam& a, const Pool& pool) {
  const Size shares = smaller(pool.num_threads(), a.count / ADAM_SHARE + 1);
  a.share = rounded_up((a.count + shares - 1) / shares, WIDTH);
  share(pool, (a.count + a.share - 1) / a.share, adam_share, &a);
}

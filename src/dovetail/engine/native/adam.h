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

// The numbers by themselves: nothing that is written changes them.
struct Rule {
  float slow, slower, rate, epsilon;
  explicit Rule(const float* numbers)
      : slow(numbers[0]), slower(numbers[1]), rate(numbers[2]), epsilon(numbers[3]) {}
  bool may_be_near() const { return epsilon > 1e-12f; }  // beside it, neither tiny roots nor their last bit are seen
};

// The step of the `left` numbers from `i` on, whose gradient is g; at most a vector's.
template <bool NEARLY>
INLINE void move_vector(const Adam& a, const Rule& rule, Size i, Vector g, Size left) {
  const Vector m = load(a.momentum + i, left), v = load(a.velocity + i, left);
  const Vector mean = m + (g - m) * rule.slow, square = v + (g * g - v) * rule.slower;
  const Vector size = NEARLY ? nearly_root(square) : root(square);
  store(a.new_momentum + i, mean, left);
  store(a.new_velocity + i, square, left);
  store(a.new_value + i, load(a.value + i, left) - mean * rule.rate / (size + rule.epsilon), left);
}

template <bool NEARLY>
static void move(const Adam& a, Size begin, Size end) {
  const Rule rule(a.numbers);
  for (Size i = begin; i < end; i += WIDTH) move_vector<NEARLY>(a, rule, i, load(a.gradient + i, end - i), end - i);
}

static void adam_share(const void* work, Size index) {
  const Adam& a = *(const Adam*)work;
  const Size begin = index * a.share, end = smaller(begin + a.share, a.count);
  if (Rule(a.numbers).may_be_near())
    move<true>(a, begin, end);
  else
    move<false>(a, begin, end);
}

static void adam(Adam& a, const Pool& pool) {
  const Size shares = smaller(pool.num_threads(), a.count / ADAM_SHARE + 1);
  a.share = rounded_up((a.count + shares - 1) / shares, WIDTH);
  share(pool, (a.count + a.share - 1) / a.share, adam_share, &a);
}

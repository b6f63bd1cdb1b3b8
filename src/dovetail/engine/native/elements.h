// Functions of single elements.
#pragma once

#include "crew.h"
#include "softmax.h"

INLINE Vector magnitude(Vector x) { return x < 0.0f ? -x : x; }

INLINE Vector logistic(Vector x) {
  const Vector e = exponential(-magnitude(x)), r = 1.0f / (1.0f + e);
  return x < 0.0f ? e * r : r;
}

// 1 - erf(t) of t >= 0, as exp(-t^2) w P(w) with w = 1 / (1 + t / 2), the logarithm of P fitted: within 3e-7 of it, relative
// to it, and to the rounding of t^2.
INLINE Vector complement_of_erf(Vector t) {
  const Vector w = 1.0f / (1.0f + 0.5f * t);
  Vector p = w * 0.144930214f - 0.6808272f;
  p = p * w + 1.15673375f;
  p = p * w - 0.69625193f;
  p = p * w - 0.0802804306f;
  p = p * w + 0.00126758369f;
  p = p * w + 0.0346028022f;
  p = p * w + 0.3866404f;
  p = p * w + 0.998632789f;
  p = p * w - 1.26544797f;
  return exponential(p - t * t) * w;
}

INLINE Vector error_function(Vector x) {
  const Vector t = magnitude(x), s = x * x, far = 1.0f - complement_of_erf(t);
  Vector p = s * -0.000565410592f + 0.00492327753f;
  p = p * s - 0.026716385f;
  p = p * s + 0.112803646f;
  p = p * s - 0.376123488f;
  p = p * s + 1.12837911f;
  return t < 1.0f ? x * p : x < 0.0f ? -far : far;
}

INLINE Vector gelu(Vector x) {
  const Vector half = 0.5f * complement_of_erf(magnitude(x) * 0.707106781f);
  return x * (x < 0.0f ? half : 1.0f - half);
}

INLINE Vector gelu_by_tangent(Vector x) {
  return x * logistic((x + x * x * x * 0.044715f) * 1.595769122f);
}

enum Function { LINEAR, RELU, TANH, SIGMOID, ERF, GELU, GELU_TANH, SILU };

INLINE Vector function_of(Vector x, int function) {
  switch (function) {
    case RELU: return x < 0.0f ? (Vector){} : x;
    case TANH: return tangent(x);
    case SIGMOID: return logistic(x);
    case ERF: return error_function(x);
    case GELU: return gelu(x);
    case GELU_TANH: return gelu_by_tangent(x);
    case SILU: return x * logistic(x);
    default: return x;
  }
}

struct Each {
  const float* x;
  float* y;
  Size count;
  int function;

  template <int FUNCTION>
  void run(Size begin, Size end) const {
    for (Size i = begin; i < end; i += WIDTH) store(y + i, function_of(load(x + i, end - i), FUNCTION), end - i);
  }
  void part(Size begin, Size end) const {
    begin *= WIDTH;
    end = smaller(end * WIDTH, count);
    switch (function) {
      case RELU: return run<RELU>(begin, end);
      case TANH: return run<TANH>(begin, end);
      case SIGMOID: return run<SIGMOID>(begin, end);
      case ERF: return run<ERF>(begin, end);
      case GELU: return run<GELU>(begin, end);
      case GELU_TANH: return run<GELU_TANH>(begin, end);
      case SILU: return run<SILU>(begin, end);
      default: return run<LINEAR>(begin, end);
    }
  }
  void all() const { share_items(*this, (count + WIDTH - 1) / WIDTH, count, HEAVY); }
};

enum { SOFTMAX, LOG_SOFTMAX, LAYER_NORM, RMS_NORM };

// Rows of a matrix, each by itself.
struct Rows {
  const float *x, *gamma, *beta;
  float* y;
  Size rows, columns;
  float epsilon;
  int what;

  void part(Size begin, Size end) const {
    for (Size i = begin * columns; i < end * columns; i += columns)
      if (what == SOFTMAX)
        softmax_row(x + i, y + i, columns);
      else if (what == LOG_SOFTMAX)
        log_softmax_row(x + i, y + i, columns);
      else
        layer_norm_row(x + i, gamma, beta, y + i, columns, epsilon, what == RMS_NORM);
  }
  void all() const { share_items(*this, rows, rows * columns, what >= LAYER_NORM ? LIGHT : HEAVY); }
};

// Over the columns of matrices: each row becomes one number.
#pragma once

#include "columns.h"

struct Product {
  static Vector first() { return all(1.0f); }
  INLINE Vector more(Vector a, Vector b) { return a * b; }
};

enum { PRODUCT = MEAN + 1 };
enum { PIECE = 1 << 13 };  // elements that join in float; pieces join in double

template <class How>
static float joined(const float* x, Size count) {
  Vector parts[4] = {How::first(), How::first(), How::first(), How::first()};
  Size i = 0;
  for (; i + 4 * WIDTH <= count; i += 4 * WIDTH)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) parts[j] = How::more(parts[j], load(x + i + j * WIDTH));
  for (; i + WIDTH <= count; i += WIDTH) parts[0] = How::more(parts[0], load(x + i));
  parts[0] = How::more(How::more(parts[0], parts[1]), How::more(parts[2], parts[3]));
  float one = How::first()[0];
  for (; i < count; ++i) one = How::more(all(one), all(x[i]))[0];
  for (int j = 0; j < WIDTH; ++j) one = How::more(all(one), all(parts[0][j]))[0];
  return one;
}

// (rows, columns) -> (rows); long rows in pieces, which threads share.
struct Along {
  const float* x;
  float* y;
  Size rows, columns;
  int how;
  Size pieces;
  double* of_pieces;

  float of(const float* from, Size count) const {
    switch (how) {
      case MOST: return joined<Most>(from, count);
      case LEAST: return joined<Least>(from, count);
      case PRODUCT: return joined<Product>(from, count);
      default: return joined<Sum>(from, count);
    }
  }
  double join(double a, double b) const {
    switch (how) {
      case MOST: return a > b || a != a ? a : b;
      case LEAST: return a < b || a != a ? a : b;
      case PRODUCT: return a * b;
      default: return a + b;
    }
  }
  void part(Size begin, Size end) const {
    for (Size i = begin; i < end; ++i) {
      const Size from = i % pieces * PIECE, count = pieces > 1 ? smaller(PIECE, columns - from) : columns;
      of_pieces[i] = of(x + i / pieces * columns + from, count);
    }
  }
  static void all(const float* x, float* y, Size rows, Size columns, int how) {
    const Size pieces = columns < 2 * PIECE ? 1 : (columns + PIECE - 1) / PIECE;
    double few[64];
    const Room many(rows * pieces > 64 ? 2 * rows * pieces : 0);
    const Along a = {x, y, rows, columns, how, pieces, rows * pieces > 64 ? (double*)many.at : few};
    share_items(a, rows * pieces, rows * columns, LIGHT);
    for (Size r = 0; r < rows; ++r) {
      double one = a.of_pieces[r * pieces];
      for (Size p = 1; p < pieces; ++p) one = a.join(one, a.of_pieces[r * pieces + p]);
      y[r] = (float)(how == MEAN ? one / columns : one);
    }
  }
};

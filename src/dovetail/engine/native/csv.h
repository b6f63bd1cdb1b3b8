// Lines of comma-separated values to columns, in one pass. It takes what is plain, which is nearly all; the first thing
// that is not ends the pass, and whoever asked goes the long way, which knows what is wrong with it.
#pragma once

#include "texts.h"

enum Kind : int32_t { SKIPPED, INT32, INT64, FLOAT32, FLOAT64, TEXT };

struct Csv {
  const char* text;  // lines with line feeds between them
  Size size;
  Size rows, width;
  char delimiter, quotes;       // quotes: whether fields may stand in them
  const int32_t* kinds;         // (width,)
  void* const* columns;         // (width,) arrays of (rows,)
};

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

INLINE bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }

// Reads an integer of at most 18 digits.
INLINE bool read_integer(const char* at, const char* end, int64_t* found) {
  const bool negative = at < end && *at == '-';
  if (at < end && (*at == '-' || *at == '+')) ++at;
  if (at == end || end - at > 18) return false;
  int64_t value = 0;
  for (; at < end; ++at) {
    if (!is_digit(*at)) return false;
    value = value * 10 + (*at - '0');
  }
  *found = negative ? -value : value;
  return true;
}

// Reads a number whose digits are an integer below 2^53, scaled by a power of ten that a double holds: the quotient or
// product of the two is rounded once, which is the nearest double.
INLINE bool read_number(const char* at, const char* end, double* found) {
  const bool negative = at < end && *at == '-';
  if (at < end && (*at == '-' || *at == '+')) ++at;
  uint64_t digits = 0;
  Size count = 0, scale = 0;
  for (; at < end && is_digit(*at); ++at, ++count) digits = digits * 10 + (*at - '0');
  if (at < end && *at == '.')
    for (++at; at < end && is_digit(*at); ++at, ++count, --scale) digits = digits * 10 + (*at - '0');
  if (!count || count > 18) return false;
  if (at < end && (*at == 'e' || *at == 'E')) {
    int64_t exponent;
    if (end - ++at > 4 || !read_integer(at, end, &exponent)) return false;
    scale += exponent;
    at = end;
  }
  if (at != end || digits >> 53 || scale < -22 || scale > 22) return false;
  const double value = scale < 0 ? digits / POWERS[-scale] : digits * POWERS[scale];
  *found = negative ? -value : value;
  return true;
}

INLINE bool store_field(const PythonBytes& python, int32_t kind, void* column, Size row, const char* at, const char* end) {
  int64_t whole;
  double number;
  switch (kind) {
    case SKIPPED:
      return true;
    case INT32:
      if (!read_integer(at, end, &whole) || whole != (int32_t)whole) return false;
      ((int32_t*)column)[row] = (int32_t)whole;
      return true;
    case INT64:
      return read_integer(at, end, (int64_t*)column + row);
    case FLOAT32:
      if (!read_number(at, end, &number)) return false;
      ((float*)column)[row] = (float)number;
      return true;
    case FLOAT64:
      return read_number(at, end, (double*)column + row);
    case TEXT: {
      Object made = python.make(at, end - at);
      if (made) python.put(&((Object*)column)[row], made);
      return made;
    }
  }
  return false;
}

// Finds the end of a field that begins at `at`; moves both inside of its quotes. Returns where what follows it stands,
// null where the field is not plain.
INLINE const char* end_of_field(const Csv& a, const char** at, const char** field_end, const char* end) {
  const char* to = *at;
  if (a.quotes && to < end && *to == '"') {
    for (*at = ++to; to < end && *to != '"'; ++to)
      if (*to == '\n') return nullptr;
    if (to == end) return nullptr;
    *field_end = to++;
    return to == end || *to == a.delimiter || *to == '\n' ? to : nullptr;
  }
  for (; to < end && *to != a.delimiter && *to != '\n'; ++to)
    if (*to == '\r' || (*to == '"' && a.quotes)) return nullptr;
  *field_end = to;
  return to;
}

// Returns whether all was plain; columns are filled up to where it was not.
static bool read_csv(const PythonBytes& python, const Csv& a) {
  const char *at = a.text, *end = at + a.size;
  for (Size row = 0; row < a.rows; ++row)
    for (Size i = 0; i < a.width; ++i) {
      const char *field = at, *field_end, *next = end_of_field(a, &field, &field_end, end);
      if (!next || field == field_end) return false;  // an empty field stands for something else
      const bool last = i + 1 == a.width;
      if (last ? next != end && *next != '\n' : next == end || *next == '\n') return false;
      if (!store_field(python, a.kinds[i], a.columns[i], row, field, field_end)) return false;
      if (next == end) return last && row + 1 == a.rows;
      at = next + 1;
    }
  return false;
}

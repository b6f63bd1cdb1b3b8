// Rows of an array by their numbers: those of the next are fetched while one is copied.
#pragma once

#include "vectors.h"

enum { LINE = 64, AHEAD = 4 };

static void fetch(const char* from, Size bytes) {
  for (Size i = 0; i < bytes; i += LINE) __builtin_prefetch(from + i);
}

// z[i] = x[numbers[i]], rows of so many bytes.
static void take_rows(const char* x, const int32_t* numbers, char* z, Size rows, Size bytes) {
  for (Size i = 0; i < rows; ++i) {
    if (i + AHEAD < rows) fetch(x + numbers[i + AHEAD] * bytes, bytes);
    memcpy(z + i * bytes, x + numbers[i] * bytes, bytes);
  }
}

// Byte strings of Python's, by the million: what is done to each is short, and to make an object of each result is most
// of the work.
//
// The functions that read or make objects hold Python's lock. They know objects by the functions of its stable interface
// alone, which they are given: no header of Python's is needed.
#pragma once

#include <new>

#include "crew.h"

typedef void* Object;

struct PythonBytes {
  Object (*make)(const char* text, Size size);  // PyBytes_FromStringAndSize
  char* (*text)(Object);                        // PyBytes_AsString
  Size (*size)(Object);                         // PyBytes_Size
  void (*hold)(Object);                         // Py_IncRef
  void (*drop)(Object);                         // Py_DecRef

  // Puts an object in the place of another, or of none.
  void put(Object* place, Object made) const {
    Object before = *place;
    *place = made;
    if (before) drop(before);
  }
};

enum { OBJECTS_AHEAD = 16 };  // objects whose sizes are asked for in advance

// Asks for the beginning of a string that is read soon: strings lie here and there, and each begins with a wait.
INLINE void fetch_ahead(const char* text) {
  for (int line = 0; line < 20; ++line) __builtin_prefetch(text + 64 * line);
}

// ---- case

static void change_case(const char* from, char* to, Size size, char first, char flip) {
  for (Size i = 0; i < size; ++i) {
    const unsigned char c = from[i];
    to[i] = c ^ ((unsigned char)(c - first) < 26 ? flip : 0);
  }
}

// Where texts lie, and where the same ones go in the other case, so that threads can work without asking Python: whoever
// calls holds its lock until they are done.
struct Cases {
  struct Place {
    const char* from;
    char* to;
    Size size;
  };
  Place* places;
  char first;

  void part(Size begin, Size end) const {
    for (Size i = begin; i < end; ++i) {
      if (i + 1 < end) fetch_ahead(places[i + 1].from);
      change_case(places[i].from, places[i].to, places[i].size, first, 'a' - 'A');
    }
  }
};

// Fills `to` with new objects; returns false where one is no byte string, or there is no memory: Python knows why.
static bool change_cases(const PythonBytes& python, const Object* from, Object* to, Size count, char first) {
  const Cases a = {(Cases::Place*)malloc(count * sizeof(Cases::Place) + 1), first};
  if (!a.places) return false;
  Size bytes = 0, i = 0;
  for (; i < count; ++i) {
    if (i + OBJECTS_AHEAD < count) __builtin_prefetch(from[i + OBJECTS_AHEAD]);
    const char* text = python.text(from[i]);
    if (!text) break;
    const Size size = python.size(from[i]);
    char letter = 0;
    if (size == 1) change_case(text, &letter, 1, first, 'a' - 'A');
    Object made = python.make(size == 1 ? &letter : nullptr, size);  // objects of one byte and of none are shared
    if (!made) break;
    python.put(&to[i], made);
    a.places[i] = {text, size > 1 ? python.text(made) : nullptr, size > 1 ? size : 0};
    bytes += size;
  }
  if (i == count) share_items(a, count, bytes / 8 + count, LIGHT);
  free(a.places);
  return i == count;
}

// ---- words

INLINE bool is_space(unsigned char c) { return c == ' ' || (unsigned char)(c - 9) < 5; }

static Size count_words(const char* text, Size size) {
  Size found = 0;
  for (Size i = 1; i < size; ++i) found += is_space(text[i - 1]) & !is_space(text[i]);
  return found + (size && !is_space(text[0]));
}

// Returns how many words all texts have, -1 where one is no byte string.
static Size count_all_words(const PythonBytes& python, const Object* texts, Size count, Size* lengths) {
  Size total = 0;
  for (Size i = 0; i < count; ++i) {
    const char* text = python.text(texts[i]);
    if (!text) return -1;
    total += lengths[i] = count_words(text, python.size(texts[i]));
  }
  return total;
}

// Objects of words that came before: texts say the same ones again and again, and to find an object takes a third of the
// time that it takes to make one.
class Known {
 public:
  explicit Known(const PythonBytes& python) : python_(python) {}
  ~Known() {
    for (Entry& entry : entries_)
      if (entry.object) python_.drop(entry.object);
  }

  // Returns an object of a word, which the caller owns; null where there is no memory. `behind` is the end of the text.
  Object find(const char* at, Size size, const char* behind) {
    if (size > 16) return python_.make(at, size);
    uint64_t halves[2] = {0, 0};
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && behind - at >= 16) {
      memcpy(halves, at, 16);
      halves[0] &= MASKS[size < 8 ? size : 8];
      halves[1] &= MASKS[size > 8 ? size - 8 : 0];
    } else {
      memcpy(halves, at, size);
    }
    uint64_t mix = (halves[0] * 0x9E3779B97F4A7C15) ^ ((halves[1] + size) * 0xC2B2AE3D27D4EB4F);
    mix = (mix ^ mix >> 32) * 0x9E3779B97F4A7C15;
    Entry& entry = entries_[mix >> (64 - BITS)];
    if (entry.first != halves[0] || entry.second != halves[1] || entry.size != size) {
      Object made = python_.make(at, size);
      if (!made) return nullptr;
      if (entry.object) python_.drop(entry.object);
      entry = {halves[0], halves[1], size, made};
    }
    python_.hold(entry.object);
    return entry.object;
  }

 private:
  enum { BITS = 14 };
  struct Entry {
    uint64_t first = 0, second = 0;
    Size size = 0;
    Object object = nullptr;
  };
  static constexpr uint64_t MASKS[9] = {0,          0xFF,         0xFFFF,         0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFF,
                                        0xFFFFFFFFFFFF, 0xFFFFFFFFFFFFFF, ~0ull};
  const PythonBytes& python_;
  Entry entries_[1 << BITS];
};

// Fills `words` with objects; returns false where there is no memory.
static bool make_words(const PythonBytes& python, Known& known, const Object* texts, Size count, Object* words) {
  for (Size i = 0; i < count; ++i) {
    const char *at = python.text(texts[i]), *end = at + python.size(texts[i]);
    while (true) {
      while (at < end && is_space(*at)) ++at;
      if (at == end) break;
      const char* begin = at;
      while (at < end && !is_space(*at)) ++at;
      Object made = known.find(begin, at - begin, end);
      if (!made) return false;
      python.put(words++, made);
    }
  }
  return true;
}

// Fills `to` with objects of parts of some bytes; returns false where there is no memory, or no such part.
static bool make_parts(const PythonBytes& python, const char* data, Size size, Size count, const Size* begins,
                       const Size* ends, Object* to) {
  for (Size i = 0; i < count; ++i) {
    if (begins[i] < 0 || ends[i] < begins[i] || ends[i] > size) return false;
    Object made = python.make(data + begins[i], ends[i] - begins[i]);
    if (!made) return false;
    python.put(&to[i], made);
  }
  return true;
}

// ---- FarmHash's 64-bit fingerprint (G. Pike, 2014: farmhashna::Hash64)

typedef uint64_t Word;

static const Word K0 = 0xC3A5C85C97CB3127, K1 = 0xB492B66FBE98F273, K2 = 0x9AE16A3B2F90404F;

template <typename T>
INLINE Word word(const char* from) {
  T found;
  memcpy(&found, from, sizeof(T));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  found = sizeof(T) == 8 ? (T)__builtin_bswap64(found) : (T)__builtin_bswap32((uint32_t)found);
#endif
  return found;
}
INLINE Word word(const char* from) { return word<uint64_t>(from); }
INLINE Word turned(Word x, int bits) { return x >> bits | x << (64 - bits); }
INLINE Word mixed(Word x) { return x ^ x >> 47; }
INLINE Word pair(Word u, Word v, Word factor) {
  const Word a = mixed((u ^ v) * factor);
  return mixed((v ^ a) * factor) * factor;
}

INLINE Word hash_to_16(const char* s, Size n) {
  const Word factor = K2 + n * 2;
  if (n >= 8) {
    const Word a = word(s) + K2, b = word(s + n - 8);
    return pair(turned(b, 37) * factor + a, (turned(a, 25) + b) * factor, factor);
  }
  if (n >= 4) return pair(n + (word<uint32_t>(s) << 3), word<uint32_t>(s + n - 4), factor);
  if (!n) return K2;
  const unsigned char *u = (const unsigned char*)s;
  const Word y = u[0] + ((Word)u[n >> 1] << 8), z = n + ((Word)u[n - 1] << 2);
  return mixed(y * K2 ^ z * K0) * K2;
}

INLINE Word hash_to_32(const char* s, Size n) {
  const Word factor = K2 + n * 2, a = word(s) * K1, b = word(s + 8);
  const Word c = word(s + n - 8) * factor, d = word(s + n - 16) * K2;
  return pair(turned(a + b, 43) + turned(c, 30) + d, a + turned(b + K2, 18) + c, factor);
}

INLINE Word hash_to_64(const char* s, Size n) {
  const Word factor = K2 + n * 2, a = word(s) * K2, b = word(s + 8);
  const Word c = word(s + n - 8) * factor, d = word(s + n - 16) * K2;
  const Word y = turned(a + b, 43) + turned(c, 30) + d;
  const Word z = pair(y, a + turned(b + K2, 18) + c, factor);
  const Word e = word(s + 16) * factor, f = word(s + 24);
  const Word g = (y + word(s + n - 32)) * factor, h = (z + word(s + n - 24)) * factor;
  return pair(turned(e + f, 43) + turned(g, 30) + h, e + turned(f + a, 18) + g, factor);
}

struct Two {
  Word first, second;
};

INLINE Two weak(const char* s, Word a, Word b) {
  const Word w = word(s), x = word(s + 8), y = word(s + 16), z = word(s + 24);
  a += w;
  b = turned(b + a + z, 21);
  const Word c = a;
  a += x + y;
  b += turned(a, 44);
  return {a + z, b + c};
}

struct FarmState {
  Word x, y, z;
  Two v, w;

  __attribute__((always_inline)) inline void round(const char* s, Word factor, Word scale) {
    x = turned(x + y + v.first + word(s + 8), 37) * factor;
    y = turned(y + v.second + word(s + 48), 42) * factor;
    x ^= w.second * scale;
    y += v.first * scale + word(s + 40);
    z = turned(z + w.first, 33) * factor;
    v = weak(s, v.second * factor, x + w.first);
    w = weak(s + 32, z + w.second, y + word(s + 16));
    const Word kept = z;
    z = x;
    x = kept;
  }
};

static Word hash_longer(const char* s, Size n) {
  const Word y = 81 * K1 + 113;
  FarmState a = {81 * K2 + word(s), y, mixed(y * K2 + 113) * K2, {0, 0}, {0, 0}};
  const char* end = s + (n - 1) / 64 * 64;
  for (const char* at = s; at < end; at += 64) a.round(at, K1, 1);
  const Word factor = K1 + ((a.z & 0xFF) << 1);
  a.w.first += (n - 1) & 63;
  a.v.first += a.w.first;
  a.w.first += a.v.first;
  a.round(s + n - 64, factor, 9);
  return pair(pair(a.v.first, a.w.first, factor) + mixed(a.y) * K0 + a.z, pair(a.v.second, a.w.second, factor) + a.x,
              factor);
}

static Word fingerprint(const char* s, Size n) {
  return n <= 16 ? hash_to_16(s, n) : n <= 32 ? hash_to_32(s, n) : n <= 64 ? hash_to_64(s, n) : hash_longer(s, n);
}

// Where strings lie, so that threads can read them without asking Python: whoever calls holds its lock until they are done.
struct Places {
  struct Place {
    const char* text;
    Size size;
  };
  Place* places;
  Word* hashes;

  void part(Size begin, Size end) const {
    for (Size i = begin; i < end; ++i) {
      if (i + 1 < end) fetch_ahead(places[i + 1].text);
      hashes[i] = fingerprint(places[i].text, places[i].size);
    }
  }
};

// Fills `hashes`; returns false where one is no byte string, or there is no memory.
static bool hash_all(const PythonBytes& python, const Object* texts, Size count, Word* hashes) {
  const Places a = {(Places::Place*)malloc(count * sizeof(Places::Place) + 1), hashes};
  if (!a.places) return false;
  Size bytes = 0, i = 0;
  for (; i < count; ++i) {
    if (i + OBJECTS_AHEAD < count) __builtin_prefetch(texts[i + OBJECTS_AHEAD]);
    const char* text = python.text(texts[i]);
    if (!text) break;
    bytes += python.size(texts[i]);
    a.places[i] = {text, python.size(texts[i])};
  }
  if (i == count) share_items(a, count, bytes / 8 + count, LIGHT);
  free(a.places);
  return i == count;
}

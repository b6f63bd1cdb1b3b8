// Recurrent layers over whole sequences, convolutions, products and steps of Adam, in float32, and rows of arrays, as XLA's
// custom calls;
// in on_host.h, functions of NumPy's arrays.
//
// XLA runs a loop over time as single small products with their own dispatch. Here a thread takes some examples of the
// batch through all steps by itself: nobody waits for anybody, the recurrent kernel stays in the cache of the core, and
// the gates are computed from the sums while these are in registers. Arrays are row-major with time first.
//
// Images are resized, byte strings and lines of text taken apart, for NumPy's arrays too.
//
// The plain functions do the same on one thread, without XLA: with them the library is checked.

#include "adam.h"
#include "adam_of_rows.h"
#include "batch_norm.h"
#include "batched.h"
#include "conv_depthwise.h"
#include "conv_few.h"
#include "conv_kernel.h"
#include "csv.h"
#include "few_rows.h"
#include "gelu.h"
#include "gru.h"
#include "lstm.h"
#include "many_rows.h"
#include "on_host.h"
#include "over_rows.h"
#include "resize.h"
#include "rows.h"
#include "take.h"
#include "texts.h"
#include "tiles.h"

EXPORT XLA_FFI_Error* dovetail_lstm(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const int64_t* shape = call.argument(0).dims;
  Lstm a = {shape[0],    shape[1],    shape[2] / 4, 0,           call.in(0),  call.in(1),  call.in(2), call.in(3),
            call.mask(4), call.out(0), call.out(1),  call.out(2), call.out(3), call.out(4), nullptr};
  lstm(a, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_lstm_gradient(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const int64_t* shape = call.argument(3).dims;
  LstmGradient a = {shape[0],         shape[1],     shape[2],    0,           call.in(0),  call.in(1),
                    call.in(2),       call.in(3),   call.in(4),  call.in(5),  call.sequence(6), call.mask(6),
                    call.out(0),      call.out(1),  call.out(2), nullptr};
  lstm_gradient(a, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_gru(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const int64_t* shape = call.argument(0).dims;
  Gru a = {shape[0],   shape[1],     shape[2] / 3, 0,           call.in(0),  call.in(1), call.in(2),
           call.in(3), call.mask(4), call.out(0),  call.out(1), call.out(2), nullptr};
  gru(a, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_gru_gradient(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const int64_t* shape = call.argument(3).dims;
  GruGradient a = {shape[0],   shape[1],         shape[2],     0,           call.in(0),  call.in(1),  call.in(2),
                   call.in(3), call.sequence(4), call.mask(4), call.out(0), call.out(1), call.out(2), nullptr};
  gru_gradient(a, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_over_rows(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const int64_t *x = call.argument(0).dims, *y = call.argument(1).dims;
  over_rows({x[0], x[1], y[1], call.in(0), call.in(1), call.out(0), call.out(1)}, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_over_rows_and_sums(XLA_FFI_CallFrame* frame) { return dovetail_over_rows(frame); }

// A product of many rows, and what follows it.
struct DenseSizes {
  Size rows, depth, width, transposed;
  Follows follows;
};

// The operands behind the first two.
static Following following_of(const Call& call, const Follows& f) {
  Size next = 2;
  const auto taken = [&](Size there) -> const float* { return there ? call.in(next++) : nullptr; };
  return {taken(f.bias), taken(f.scale), taken(f.shift), taken(f.other), taken(f.keep), f.floor != 0};  // in this order
}

EXPORT XLA_FFI_Error* dovetail_dense(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const DenseSizes& s = *(const DenseSizes*)call.numbers();
  many_rows({s.rows, s.depth, s.width, call.in(0), call.in(1), call.out(0), s.transposed != 0,
             following_of(call, s.follows)}, call.pool());
  return nullptr;
}

// Two arrays: rows, and a kernel that is transposed or not.
static XLA_FFI_Error* product_of(const Call& call, bool transposed) {
  if (call.is_question()) return nullptr;
  const int64_t *x = call.argument(0).dims, *y = call.argument(1).dims;
  many_rows({x[0], x[1], y[transposed ? 0 : 1], call.in(0), call.in(1), call.out(0), transposed}, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_many_rows(XLA_FFI_CallFrame* frame) { return product_of(Call{frame}, false); }

EXPORT XLA_FFI_Error* dovetail_many_rows_transposed(XLA_FFI_CallFrame* frame) { return product_of(Call{frame}, true); }

EXPORT XLA_FFI_Error* dovetail_batched_product(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  batched_product(*(const Pairs*)call.numbers(), call.in(0), call.in(1), call.out(0), call.pool());
  return nullptr;
}

static FewRows few_rows_of(const Call& call) {
  const int64_t *x = call.argument(0).dims, *y = call.argument(1).dims;
  return {x[0], x[1], y[1], 0, call.in(0), call.in(1), call.out(0)};
}

EXPORT XLA_FFI_Error* dovetail_few_rows(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  FewRows a = few_rows_of(call);
  few_rows(a, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_over_few_rows(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  FewRows a = few_rows_of(call);
  over_few_rows(a, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_take_rows(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const Size rows = call.argument(1).dims[0];
  take_rows((const char*)call.in(0), (const int32_t*)call.in(1), (char*)call.out(0), rows, call.result_bytes(0) / rows);
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_adam(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  Adam a = {call.count(0), 0,          call.in(0),  call.in(1),  call.in(2),
            call.in(3),    call.in(4), call.out(0), call.out(1), call.out(2)};
  adam(a, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_adam_of_rows(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  Variables{call}.move_all();
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_conv(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  conv_of(*(const Convolution*)call.numbers(), call.in(0), call.in(1), call.out(0), call.pool());
  return nullptr;
}

// A convolution, and what follows it.
struct FollowedSizes {
  Convolution w;
  Follows follows;
};

EXPORT XLA_FFI_Error* dovetail_conv_followed(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const FollowedSizes& s = *(const FollowedSizes*)call.numbers();
  conv_of(s.w, call.in(0), call.in(1), call.out(0), call.pool(), following_of(call, s.follows));
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_conv_kernel(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  kernel_gradient(*(const Convolution*)call.numbers(), call.in(0), call.in(1), call.out(0), call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_depthwise(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  depthwise(*(const Convolution*)call.numbers(), call.in(0), call.in(1), call.out(0), call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_depthwise_kernel(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  depthwise_kernel(*(const Convolution*)call.numbers(), call.in(0), call.in(1), call.out(0), call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_softmax(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const int64_t* sizes = call.numbers();
  share_rows(SoftmaxRows{call.in(0), call.out(0), sizes[1]}, sizes[0], sizes[1], call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_softmax_gradient(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const int64_t* sizes = call.numbers();
  share_rows(SoftmaxGradient{call.in(0), call.in(1), call.out(0), sizes[1]}, sizes[0], sizes[1], call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_label_loss(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const int64_t* sizes = call.numbers();
  share_rows(LabelLoss{call.in(0), (const int32_t*)call.in(1), call.out(0), sizes[1]}, sizes[0], sizes[1], call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_label_loss_gradient(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const int64_t* sizes = call.numbers();
  share_rows(LabelGradient{call.in(0), call.in(1), (const int32_t*)call.in(2), call.out(0), sizes[1]}, sizes[0], sizes[1],
             call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_layer_norm(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const NormSizes& s = *(const NormSizes*)call.numbers();
  const float *gamma = s.scale ? call.in(1) : nullptr, *beta = s.center ? call.in(1 + s.scale) : nullptr;
  share_rows(LayerNormRows{call.in(0), gamma, beta, call.out(0), s.columns, (float)s.epsilon, s.rms != 0}, s.rows,
             s.columns, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_layer_norm_gradient(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const NormSizes& s = *(const NormSizes*)call.numbers();
  float *of_gamma = s.scale ? call.out(1) : nullptr, *of_beta = s.center ? call.out(1 + s.scale) : nullptr;
  layer_norm_gradient({call.in(0), call.in(1), s.scale ? call.in(2) : nullptr, call.out(0), of_gamma, of_beta, s.rows,
                       s.columns, (float)s.epsilon, s.rms != 0, nullptr}, call.pool());
  return nullptr;
}

// Which parameters there are, what follows, and the sizes.
struct BatchNormSizes {
  Size rows, columns, scale, center, other, floor;
  double epsilon;
};

EXPORT XLA_FFI_Error* dovetail_batch_norm(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const BatchNormSizes& s = *(const BatchNormSizes*)call.numbers();
  const float *gamma = s.scale ? call.in(1) : nullptr, *beta = s.center ? call.in(1 + s.scale) : nullptr;
  batch_norm({call.in(0), gamma, beta, s.other ? call.in(1 + s.scale + s.center) : nullptr, call.out(0), call.out(1),
              call.out(2), s.rows, s.columns, (float)s.epsilon, s.floor != 0, nullptr}, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_batch_norm_gradient(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const BatchNormSizes& s = *(const BatchNormSizes*)call.numbers();
  float *of_gamma = s.scale ? call.out(1) : nullptr, *of_beta = s.center ? call.out(1 + s.scale) : nullptr;
  batch_norm_gradient({call.in(0), call.in(1), call.in(2), call.in(3), call.in(4), call.in(5),
                       s.scale ? call.in(6) : nullptr, call.out(0), of_gamma, of_beta, s.rows, s.columns,
                       (float)s.epsilon, nullptr}, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_largest(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const Tiles& t = *(const Tiles*)call.numbers();
  share_rows(Largest{t, call.in(0), call.out(0)}, t.rows(), t.high * t.width * t.channels, call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_largest_gradient(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  const Tiles& t = *(const Tiles*)call.numbers();
  share_rows(OfLargest{t, call.in(0), call.in(1), call.in(2), call.out(0)}, t.rows(), t.high * t.width * t.channels,
             call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_gelu(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  Gelu{call.in(0), nullptr, call.out(0), call.count(0), call.numbers()[0] != 0}.all(call.pool());
  return nullptr;
}

EXPORT XLA_FFI_Error* dovetail_gelu_gradient(XLA_FFI_CallFrame* frame) {
  const Call call{frame};
  if (call.is_question()) return nullptr;
  Gelu{call.in(1), call.in(0), call.out(0), call.count(0), call.numbers()[0] != 0}.all(call.pool());
  return nullptr;
}

EXPORT void plain_gelu_gradient(const float* g, const float* x, float* y, Size count, int approximate) {
  Gelu{x, g, y, count, approximate != 0}.all(Pool{});
}

EXPORT void plain_largest(const Tiles* t, const float* x, float* y) {
  share_rows(Largest{*t, x, y}, t->rows(), t->high * t->width * t->channels, Pool{});
}

EXPORT void plain_largest_gradient(const Tiles* t, const float* g, const float* x, const float* y, float* to) {
  share_rows(OfLargest{*t, g, x, y, to}, t->rows(), t->high * t->width * t->channels, Pool{});
}

EXPORT void plain_batch_norm(const BatchNormSizes* s, const float* x, const float* gamma, const float* beta,
                             const float* other, float* y, float* mean, float* variance) {
  batch_norm({x, gamma, beta, other, y, mean, variance, s->rows, s->columns, (float)s->epsilon, s->floor != 0, nullptr},
             Pool{});
}

EXPORT void plain_batch_norm_gradient(const BatchNormSizes* s, const float* g, const float* of_mean,
                                      const float* of_variance, const float* x, const float* mean, const float* variance,
                                      const float* gamma, float* to, float* of_gamma, float* of_beta) {
  batch_norm_gradient({g, of_mean, of_variance, x, mean, variance, gamma, to, of_gamma, of_beta, s->rows, s->columns,
                       (float)s->epsilon, nullptr}, Pool{});
}

EXPORT void plain_softmax_gradient(const float* g, const float* y, float* to, Size rows, Size columns) {
  share_rows(SoftmaxGradient{g, y, to, columns}, rows, columns, Pool{});
}

EXPORT void plain_layer_norm_gradient(const NormSizes* s, const float* g, const float* x, const float* gamma, float* to,
                                      float* of_gamma, float* of_beta) {
  layer_norm_gradient({g, x, gamma, to, of_gamma, of_beta, s->rows, s->columns, (float)s->epsilon, s->rms != 0, nullptr},
                      Pool{});
}

EXPORT void plain_lstm(const Lstm* a) {
  Lstm copy = *a;
  lstm(copy, Pool{});
}

EXPORT void plain_lstm_gradient(const LstmGradient* a) {
  LstmGradient copy = *a;
  lstm_gradient(copy, Pool{});
}

EXPORT void plain_gru(const Gru* a) {
  Gru copy = *a;
  gru(copy, Pool{});
}

EXPORT void plain_gru_gradient(const GruGradient* a) {
  GruGradient copy = *a;
  gru_gradient(copy, Pool{});
}

EXPORT void plain_few_rows(const FewRows* a) {
  FewRows copy = *a;
  few_rows(copy, Pool{});
}

EXPORT void plain_over_few_rows(const FewRows* a) {
  FewRows copy = *a;
  over_few_rows(copy, Pool{});
}

EXPORT void plain_many_rows(const float* x, const float* y, float* z, Size rows, Size depth, Size width, int transposed) {
  many_rows({rows, depth, width, x, y, z, transposed != 0}, Pool{});
}

EXPORT void plain_over_rows(const float* x, const float* y, float* z, float* sums, Size rows, Size m, Size n) {
  over_rows({rows, m, n, x, y, z, sums}, Pool{});
}

EXPORT void plain_dense(const DenseSizes* s, const float* x, const float* y, const float* bias, const float* scale,
                        const float* shift, const float* other, const float* keep, float* z) {
  const Following after = {bias, scale, shift, other, keep, s->follows.floor != 0};
  many_rows({s->rows, s->depth, s->width, x, y, z, s->transposed != 0, after}, Pool{});
}

EXPORT void plain_label_loss(const float* x, const int32_t* labels, float* y, Size rows, Size columns) {
  share_rows(LabelLoss{x, labels, y, columns}, rows, columns, Pool{});
}

EXPORT void plain_label_gradient(const float* g, const float* x, const int32_t* labels, float* y, Size rows,
                                 Size columns) {
  share_rows(LabelGradient{g, x, labels, y, columns}, rows, columns, Pool{});
}

EXPORT void plain_batched_product(const Pairs* sizes, const float* x, const float* y, float* z) {
  batched_product(*sizes, x, y, z, Pool{});
}

EXPORT void plain_conv(const Convolution* w, const float* x, const float* kernel, float* y) {
  conv(*w, x, kernel, y, Pool{});
}

EXPORT void plain_conv_few(const Convolution* w, const float* x, const float* kernel, float* y) {
  conv_few(*w, x, kernel, y, Pool{});
}

EXPORT void plain_conv_kernel(const Convolution* w, const float* x, const float* g, float* y) {
  kernel_gradient(*w, x, g, y, Pool{});
}

EXPORT void plain_depthwise(const Convolution* w, const float* x, const float* kernel, float* y) {
  depthwise(*w, x, kernel, y, Pool{});
}

EXPORT void plain_depthwise_kernel(const Convolution* w, const float* x, const float* g, float* y) {
  depthwise_kernel(*w, x, g, y, Pool{});
}

EXPORT void plain_adam(const Adam* a) {
  Adam copy = *a;
  adam(copy, Pool{});
}

EXPORT void plain_adam_of_rows(const AdamOfRows* a) {
  AdamOfRows copy = *a;
  adam_of_rows(copy, Pool{});
}

EXPORT void resize_bytes(const uint8_t* images, float* to, Size batch, Size height, Size width, Size channels,
                         const Taps* rows, const Taps* columns, const After* after) {
  resize_images(images, to, batch, height, width, channels, *rows, *columns, *after);
}

EXPORT void resize_floats(const float* images, float* to, Size batch, Size height, Size width, Size channels,
                          const Taps* rows, const Taps* columns, const After* after) {
  resize_images(images, to, batch, height, width, channels, *rows, *columns, *after);
}

EXPORT void mirror(const char* from, char* to, Size rows, Size width, Size bytes) {
  mirror_rows(from, to, rows, width, bytes);
}

EXPORT int texts_in_case(const PythonBytes* python, const Object* texts, Object* to, Size count, char first) {
  return change_cases(*python, texts, to, count, first);
}

EXPORT Size texts_count_words(const PythonBytes* python, const Object* texts, Size count, Size* lengths) {
  return count_all_words(*python, texts, count, lengths);
}

EXPORT int texts_make_words(const PythonBytes* python, const Object* texts, Size count, Object* words) {
  Known* known = new (std::nothrow) Known(*python);
  if (!known) return 0;
  const bool done = make_words(*python, *known, texts, count, words);
  delete known;
  return done;
}

EXPORT int texts_make_parts(const PythonBytes* python, const char* data, Size size, Size count, const Size* begins,
                            const Size* ends, Object* to) {
  return make_parts(*python, data, size, count, begins, ends, to);
}

EXPORT int texts_fingerprints(const PythonBytes* python, const Object* texts, Size count, Word* hashes) {
  return hash_all(*python, texts, count, hashes);
}

EXPORT int texts_csv(const PythonBytes* python, const Csv* csv) { return read_csv(*python, *csv); }

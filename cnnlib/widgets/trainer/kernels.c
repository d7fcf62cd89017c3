// What a network computes in training, forward and backward, for engine.js. A pixel of 16 pictures is a *group*: 16
// numbers side by side, four SIMD registers. Every loop takes group by group, so that any number of channels, any size,
// stride and window runs equally fast.
//
// A tensor (N, C, H, W) lies in memory as tiles of 16 pictures; a tile is C maps of P = H x W groups. Between the
// beginnings of two tiles are `s` numbers (xs of x, ys of y, ...), which may be more than C x P x 16: then the tensor is
// some channels of a larger one, and a concatenation costs nothing. `real` pictures are in the batch; the last tile is
// filled up with pictures of zeros, whose gradient is zero everywhere.
//
// What a window sees is a list: the entries first[q] .. first[q+1]-1 of `place` (16 x number of the pixel) and `tap` (which
// weight of the kernel) belong to output pixel q. Padding is what is not in the list.
#include <wasm_simd128.h>
typedef v128_t V;
#define EXPORT(name) __attribute__((export_name(#name))) void name
#define LOAD(p) wasm_v128_load(p)
#define STORE(p, v) wasm_v128_store(p, v)
#define ALL(number) wasm_f32x4_splat(number)
#define EACH(p) wasm_v128_load32_splat(p)
#define ADD wasm_f32x4_add
#define SUB wasm_f32x4_sub
#define MUL wasm_f32x4_mul
#define DIV wasm_f32x4_div
#define AND wasm_v128_and
#define PUT(p, v, add) STORE(p, add ? ADD(LOAD(p), v) : v)
enum { LANES = 16, CHUNK = 32 };                        // channels whose windows stay in the fast cache

#define LANE(v, i) wasm_f32x4_extract_lane(v, i)
static float total(V v) { return LANE(v, 0) + LANE(v, 1) + LANE(v, 2) + LANE(v, 3); }
static int least(int a, int b) { return a < b ? a : b; }
static V is_real(int i, int real) {                     // all bits of the lanes that are pictures
  return wasm_i32x4_lt(wasm_i32x4_make(i, i + 1, i + 2, i + 3), wasm_i32x4_splat(real));
}

// Convolution, and the linear layer, which is one of 1x1 on maps of one pixel: y[o][q] = bias[o] + sum over channels i and
// the window of q of w[o*so + i*si + tap] * x[i][place]. Forward, and with the windows seen from the input and the two steps
// in w exchanged, the gradient of the input. Two outputs at a time, of which an odd last one is computed twice.
EXPORT(gather)(const float *x, int xs, const float *w, float *y, int ys, int tiles, int I, int P, int O, int Q, int so,
               int si, const int *first, const int *place, const int *tap, const float *bias, int add) {
  for (int tile = 0; tile < tiles; tile++, x += xs, y += ys)
    for (int begin = 0; begin < I; begin += CHUNK) {
      int end = least(I, begin + CHUNK), more = add || begin;
      for (int q = 0; q < Q; q++)
        for (int o = 0; o < O; o += 2) {
          int next = o + 1 < O;
          float *ya = y + (o * Q + q) * LANES, *yb = ya + next * Q * LANES;
          V a0 = ALL(bias ? bias[o] : 0), a1 = a0, a2 = a0, a3 = a0;
          V b0 = ALL(bias ? bias[o + next] : 0), b1 = b0, b2 = b0, b3 = b0;
          if (more) {
            a0 = LOAD(ya); a1 = LOAD(ya + 4); a2 = LOAD(ya + 8); a3 = LOAD(ya + 12);
            b0 = LOAD(yb); b1 = LOAD(yb + 4); b2 = LOAD(yb + 8); b3 = LOAD(yb + 12);
          }
          for (int i = begin; i < end; i++) {
            const float *map = x + i * P * LANES, *wa = w + o * so + i * si, *wb = wa + next * so;
            for (int k = first[q]; k < first[q + 1]; k++) {
              const float *p = map + place[k];
              V u = EACH(wa + tap[k]), v = EACH(wb + tap[k]);
              V x0 = LOAD(p), x1 = LOAD(p + 4), x2 = LOAD(p + 8), x3 = LOAD(p + 12);
              a0 = ADD(a0, MUL(u, x0)); a1 = ADD(a1, MUL(u, x1)); a2 = ADD(a2, MUL(u, x2)); a3 = ADD(a3, MUL(u, x3));
              b0 = ADD(b0, MUL(v, x0)); b1 = ADD(b1, MUL(v, x1)); b2 = ADD(b2, MUL(v, x2)); b3 = ADD(b3, MUL(v, x3));
            }
          }
          STORE(ya, a0); STORE(ya + 4, a1); STORE(ya + 8, a2); STORE(ya + 12, a3);
          STORE(yb, b0); STORE(yb + 4, b1); STORE(yb + 8, b2); STORE(yb + 12, b3);
        }
    }
}

// Gradient of the weights: dw[o*so + i*si + t] = sum over pictures and the pairs of pixels (from, to) that the weight t
// connects of x[i][from] * dy[o][to]. Four outputs and two inputs at a time; at the edge some are computed twice.
EXPORT(weights)(const float *x, int xs, const float *dy, int ds, float *dw, int tiles, int I, int P, int O, int Q,
                int so, int si, int T, const int *first, const int *from, const int *to) {
  for (int t = 0; t < T; t++)
    for (int o = 0; o < O; o += 4)
      for (int i = 0; i < I; i += 2) {
        int o1 = least(o + 1, O - 1), o2 = least(o + 2, O - 1), o3 = least(o + 3, O - 1), i1 = least(i + 1, I - 1);
        int d1 = (o1 - o) * Q * LANES, d2 = (o2 - o) * Q * LANES, d3 = (o3 - o) * Q * LANES, x1 = (i1 - i) * P * LANES;
        V a0 = ALL(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        for (int tile = 0; tile < tiles; tile++) {
          const float *maps = x + tile * xs + i * P * LANES, *slopes = dy + tile * ds + o * Q * LANES;
          V s0 = ALL(0), s1 = s0, s2 = s0, s3 = s0, r0 = s0, r1 = s0, r2 = s0, r3 = s0;    // sums stay short, so exact
          for (int k = first[t]; k < first[t + 1]; k++) {
            const float *p = maps + from[k], *d = slopes + to[k];
            for (int lane = 0; lane < LANES; lane += 4) {
              V u = LOAD(p + lane), v = LOAD(p + x1 + lane), e0 = LOAD(d + lane), e1 = LOAD(d + d1 + lane),
                e2 = LOAD(d + d2 + lane), e3 = LOAD(d + d3 + lane);
              s0 = ADD(s0, MUL(u, e0)); s1 = ADD(s1, MUL(u, e1)); s2 = ADD(s2, MUL(u, e2)); s3 = ADD(s3, MUL(u, e3));
              r0 = ADD(r0, MUL(v, e0)); r1 = ADD(r1, MUL(v, e1)); r2 = ADD(r2, MUL(v, e2)); r3 = ADD(r3, MUL(v, e3));
            }
          }
          a0 = ADD(a0, s0); a1 = ADD(a1, s1); a2 = ADD(a2, s2); a3 = ADD(a3, s3);
          b0 = ADD(b0, r0); b1 = ADD(b1, r1); b2 = ADD(b2, r2); b3 = ADD(b3, r3);
        }
        float *wa = dw + i * si + t, *wb = dw + i1 * si + t;
        wb[o * so] = total(b0); wb[o1 * so] = total(b1); wb[o2 * so] = total(b2); wb[o3 * so] = total(b3);
        wa[o * so] = total(a0); wa[o1 * so] = total(a1); wa[o2 * so] = total(a2); wa[o3 * so] = total(a3);
      }
}

// Gradient of the bias, the sum of its map's.
EXPORT(bias_back)(const float *dy, int ds, float *db, int tiles, int C, int P) {
  for (int c = 0; c < C; c++, dy += P * LANES) {
    double sum = 0;
    for (int tile = 0; tile < tiles; tile++)
      for (int p = 0; p < P; p++) {
        const float *d = dy + tile * ds + p * LANES;
        sum += total(ADD(ADD(LOAD(d), LOAD(d + 4)), ADD(LOAD(d + 8), LOAD(d + 12))));
      }
    db[c] = sum;
  }
}

// y = (x - mean) / sqrt(variance + eps) * gain + shift, for each channel over all its pixels of all real pictures; in
// training with the batch's mean and variance, of which `running` (means, then variances) keeps an average. `saved` has
// the mean and 1 / sqrt(...) for the way back.
EXPORT(norm)(const float *x, int xs, float *y, int ys, int tiles, int real, int C, int P, const float *gain,
             const float *shift, float *running, float *saved, float momentum, float eps, int training) {
  double count = (double)P * real;
  for (int c = 0; c < C; c++) {
    const float *map = x + c * P * LANES;
    double mean = running[c], variance = running[C + c];
    for (int pass = 0; training && pass < 2; pass++) {  // first the mean, then the squares of what differs from it
      V centre = ALL(pass ? mean : 0);
      double sum = 0;
      for (int tile = 0; tile < tiles; tile++)
        for (int lane = 0; lane < LANES; lane += 4) {
          V s = ALL(0), mask = is_real(tile * LANES + lane, real);
          for (int j = lane; j < P * LANES; j += LANES) {
            V v = SUB(LOAD(map + tile * xs + j), centre);
            s = ADD(s, pass ? MUL(v, v) : v);
          }
          sum += total(AND(s, mask));
        }
      if (pass) variance = sum / count; else mean = sum / count;
    }
    if (training) {
      running[c] += momentum * (mean - running[c]);
      running[C + c] += momentum * (variance * count / (count - 1) - running[C + c]);
    }
    saved[c] = mean; saved[C + c] = 1 / __builtin_sqrt(variance + eps);
    V centre = ALL(mean), scale = ALL(saved[C + c] * gain[c]), up = ALL(shift[c]);
    for (int tile = 0; tile < tiles; tile++)
      for (int j = c * P * LANES; j < (c + 1) * P * LANES; j += 4)
        STORE(y + tile * ys + j, ADD(MUL(SUB(LOAD(x + tile * xs + j), centre), scale), up));
  }
}

// dx = gain / sqrt(...) * (dy - mean of dy - h * mean of dy h), where h is the normalised x: mean and variance depend
// on x, too, so every picture feels every other.
EXPORT(norm_back)(const float *x, int xs, const float *dy, int ds, float *dx, int dxs, int tiles, int real, int C, int P,
                  const float *gain, const float *saved, float *dgain, float *dshift, int add) {
  double count = (double)P * real;
  for (int c = 0; c < C; c++) {
    int at = c * P * LANES;
    V centre = ALL(saved[c]), inverse = ALL(saved[C + c]);
    double sum = 0, product = 0;
    for (int tile = 0; tile < tiles; tile++)
      for (int lane = 0; lane < LANES; lane += 4) {
        V s = ALL(0), t = ALL(0);
        for (int j = at + lane; j < at + P * LANES; j += LANES) {
          V d = LOAD(dy + tile * ds + j);
          s = ADD(s, d);
          t = ADD(t, MUL(d, SUB(LOAD(x + tile * xs + j), centre)));
        }
        sum += total(s); product += total(t);
      }
    product *= saved[C + c];
    dshift[c] = sum; dgain[c] = product;
    V flat = ALL(sum / count), lean = ALL(product / count), scale = ALL(gain[c] * saved[C + c]);
    for (int tile = 0; tile < tiles; tile++)
      for (int lane = 0; lane < LANES; lane += 4) {
        V mask = is_real(tile * LANES + lane, real);
        for (int j = at + lane; j < at + P * LANES; j += LANES) {
          V h = MUL(SUB(LOAD(x + tile * xs + j), centre), inverse);
          V d = AND(MUL(scale, SUB(SUB(LOAD(dy + tile * ds + j), flat), MUL(h, lean))), mask);
          PUT(dx + tile * dxs + j, d, add);
        }
      }
  }
}

// ---- activations: y from x, and dx from y and dy. Kind 0 is ReLU, 1 tanh, 2 the sigmoid.

static V exponential(V x) {                             // 2^k times a polynomial in what is left, |r| < ln(2) / 2
  x = wasm_f32x4_max(ALL(-87), wasm_f32x4_min(ALL(87), x));
  V k = wasm_f32x4_nearest(MUL(x, ALL(1.44269504f)));
  V r = SUB(SUB(x, MUL(k, ALL(0.693359375f))), MUL(k, ALL(-2.12194440e-4f))), p = ALL(1.3888889e-3f);
  p = ADD(MUL(p, r), ALL(8.3333333e-3f)); p = ADD(MUL(p, r), ALL(4.1666667e-2f)); p = ADD(MUL(p, r), ALL(0.16666667f));
  p = ADD(MUL(p, r), ALL(0.5f)); p = ADD(MUL(p, r), ALL(1)); p = ADD(MUL(p, r), ALL(1));
  return MUL(p, wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(k), wasm_i32x4_splat(127)), 23));
}
EXPORT(activate)(const float *x, int xs, float *y, int ys, int tiles, int size, int kind) {
  V one = ALL(1), sign = wasm_i32x4_splat(1 << 31);
  for (int tile = 0; tile < tiles; tile++, x += xs, y += ys)
    for (int j = 0; j < size; j += 4) {
      V v = LOAD(x + j);
      V e = kind ? exponential(kind == 1 ? MUL(ALL(-2), wasm_f32x4_abs(v)) : wasm_f32x4_neg(v)) : v;
      STORE(y + j, kind == 0 ? wasm_f32x4_max(v, ALL(0)) : kind == 2 ? DIV(one, ADD(one, e))
                   : wasm_v128_or(DIV(SUB(one, e), ADD(one, e)), AND(v, sign)));
    }
}
EXPORT(activate_back)(const float *y, int ys, const float *dy, int ds, float *dx, int dxs, int tiles, int size, int kind,
                      int add) {
  for (int tile = 0; tile < tiles; tile++, y += ys, dy += ds, dx += dxs)
    for (int j = 0; j < size; j += 4) {
      V v = LOAD(y + j), d = LOAD(dy + j);
      if (kind == 0) d = AND(d, wasm_f32x4_gt(v, ALL(0)));
      else d = MUL(d, kind == 1 ? SUB(ALL(1), MUL(v, v)) : MUL(v, SUB(ALL(1), v)));
      PUT(dx + j, d, add);
    }
}

// ---- pooling: of the window of q the average (`share` of q each: 1 / its pixels) or, kind 1, the largest

EXPORT(pool)(const float *x, int xs, float *y, int ys, int tiles, int C, int P, int Q, const int *first, const int *place,
             const float *share, int kind) {
  for (int tile = 0; tile < tiles; tile++)
    for (int c = 0; c < C; c++)
      for (int j = 0; j < Q * LANES; j += 4) {
        const float *map = x + tile * xs + c * P * LANES + j % LANES;
        int q = j / LANES, k = first[q];
        V v = LOAD(map + place[k]);
        while (++k < first[q + 1]) v = kind ? wasm_f32x4_max(v, LOAD(map + place[k])) : ADD(v, LOAD(map + place[k]));
        STORE(y + tile * ys + c * Q * LANES + j, kind ? v : MUL(v, EACH(share + q)));
      }
}
// The gradient of an average is shared; that of the largest goes to the first pixel that has its value. dx is added to.
EXPORT(pool_back)(const float *x, int xs, const float *y, int ys, const float *dy, int ds, float *dx, int dxs, int tiles,
                  int C, int P, int Q, const int *first, const int *place, const float *share, int kind) {
  for (int tile = 0; tile < tiles; tile++)
    for (int c = 0; c < C; c++)
      for (int j = 0; j < Q * LANES; j += 4) {
        int at = c * P * LANES + j % LANES, q = j / LANES;
        V d = LOAD(dy + tile * ds + c * Q * LANES + j), v = LOAD(y + tile * ys + c * Q * LANES + j);
        if (!kind) d = MUL(d, EACH(share + q));
        for (int k = first[q]; k < first[q + 1]; k++) {
          float *to = dx + tile * dxs + at + place[k];
          V mine = kind ? AND(d, wasm_f32x4_eq(v, LOAD(x + tile * xs + at + place[k]))) : d;
          STORE(to, ADD(LOAD(to), mine));
          if (kind) d = SUB(d, mine);                   // what is given is gone
        }
      }
}

// ---- sums, copies, gates, dropout

// y = a x, or y = y + a x: copies, sums, factors, and zeros.
EXPORT(blend)(const float *x, int xs, float *y, int ys, int tiles, int size, float a, int add) {
  for (int tile = 0; tile < tiles; tile++, x += xs, y += ys)
    for (int j = 0; j < size; j += 4) PUT(y + j, MUL(ALL(a), LOAD(x + j)), add);
}

// y[c][p] = x[c][p] * g[c], also for the gradient of x; that of the gate is dg[c] = sum over p of x[c][p] * dy[c][p].
EXPORT(gate)(const float *x, int xs, const float *g, int gs, float *y, int ys, int tiles, int C, int P, int add) {
  for (int tile = 0; tile < tiles; tile++, x += xs, y += ys, g += gs)
    for (int j = 0; j < C * P * LANES; j += 4)
      PUT(y + j, MUL(LOAD(x + j), LOAD(g + j / (P * LANES) * LANES + j % LANES)), add);
}
EXPORT(gate_back)(const float *x, int xs, const float *dy, int ds, float *dg, int gs, int tiles, int C, int P, int add) {
  for (int tile = 0; tile < tiles; tile++, x += xs, dy += ds, dg += gs)
    for (int j = 0; j < C * LANES; j += 4) {
      V s = ALL(0);
      for (int p = 0, at = j / LANES * P * LANES + j % LANES; p < P; p++, at += LANES)
        s = ADD(s, MUL(LOAD(x + at), LOAD(dy + at)));
      PUT(dg + j, s, add);
    }
}

// y = x / keep where a number from 0 to 1, a hash of the place and the seed (Wellons' lowbias32), is below keep, else 0. The
// way back is the same, and no mask has to be kept.
EXPORT(drop)(const float *x, int xs, float *y, int ys, int tiles, int size, unsigned seed, float keep, int add) {
  for (int tile = 0; tile < tiles; tile++, x += xs, y += ys)
    for (int j = 0; j < size; j++) {
      unsigned h = (unsigned)(tile * size + j) ^ seed;
      h ^= h >> 16; h *= 0x7feb352dU; h ^= h >> 15; h *= 0x846ca68bU; h ^= h >> 16;
      float v = (float)(h >> 8) * 0x1p-24f < keep ? x[j] / keep : 0;
      y[j] = add ? y[j] + v : v;
    }
}

// ---- one step of the optimizer, as PyTorch counts it; v and m are what it remembers

EXPORT(sgd)(float *w, const float *g, float *v, int size, float lr, float momentum, float decay, int first) {
  for (int j = 0; j < size; j += 4) {
    V d = ADD(LOAD(g + j), MUL(ALL(decay), LOAD(w + j)));
    V kept = first ? d : ADD(MUL(ALL(momentum), LOAD(v + j)), d);
    STORE(v + j, kept);
    STORE(w + j, SUB(LOAD(w + j), MUL(ALL(lr), ADD(d, MUL(ALL(momentum), kept)))));      // Nesterov looks ahead
  }
}
EXPORT(adam)(float *w, const float *g, float *m, float *v, int size, float lr, float decay, float unbias1, float unbias2) {
  for (int j = 0; j < size; j += 4) {
    V d = ADD(LOAD(g + j), MUL(ALL(decay), LOAD(w + j)));
    V mean = ADD(LOAD(m + j), MUL(ALL(0.1f), SUB(d, LOAD(m + j))));
    V square = ADD(MUL(ALL(0.999f), LOAD(v + j)), MUL(ALL(0.001f), MUL(d, d)));
    STORE(m + j, mean); STORE(v + j, square);
    V root = ADD(DIV(wasm_f32x4_sqrt(square), ALL(unbias2)), ALL(1e-8f)), step = DIV(MUL(ALL(lr / unbias1), mean), root);
    STORE(w + j, SUB(LOAD(w + j), step));
  }
}

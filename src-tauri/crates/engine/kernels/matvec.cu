// Matrices times few rows of activations: what decode does. Bound by the bytes of the weights, so each is read once, by
// neighbouring lanes, and serves all rows of the step.
#include "formats.cuh"

constexpr int WARPS = 4;
// Rows of the matrix that a warp has in flight.
constexpr uint32_t IN_FLIGHT = 2;

// A group of weights times the same 32 columns of a token. What is fused is said, so that kernels for other numbers of tokens
// round alike.
template <class Format> DEVICE float product(const Group& weights, const int8_t* quants, const float* scales) {
    const Quad first = load16(quants), last = load16(quants + 16), sizes = load16(scales);
    int sums[2] = {0, 0};
    for (int at = 0; at < 4; ++at) {
        sums[0] = dot4(weights.code[at], static_cast<int>(first.word[at]), sums[0]);
        sums[1] = dot4(weights.code[at + 4], static_cast<int>(last.word[at]), sums[1]);
    }
    const float size = bits_to_float(sizes.word[0]);
    const float first_sum = bits_to_float(sizes.word[1]), last_sum = bits_to_float(sizes.word[2]);
    if constexpr (Format::HALVES) {
        const float codes = fmaf(weights.scale[1], static_cast<float>(sums[1]), weights.scale[0] * static_cast<float>(sums[0]));
        return fmaf(size, codes, -fmaf(weights.offset[1], last_sum, weights.offset[0] * first_sum));
    } else {
        const float codes = weights.scale[0] * static_cast<float>(sums[0] + sums[1]);
        return fmaf(size, codes, -(weights.offset[0] * (first_sum + last_sum)));
    }
}

// `out[token, row] = factor · Σ w[row, column] · x[token, column] + bias[row]`.
//
// `planes` is a matrix of `experts · rows` rows. Without `chosen`, blockIdx.y is a bundle of `TOKENS` tokens, of `first_token`
// on. With it,
// blockIdx.y is a choice: `chosen[y]` names the expert (rows and bias of which are taken), token `y / per_token` goes in, and
// row `y` of `out` comes out; `TOKENS` is 1.
// Shapes: quants `[tokens, columns]`, scales `[tokens, columns / 32, 4]` (norm.cu), out `[tokens or choices, rows]`,
// bias `[experts, rows]` or null. Grid: `(rows / 8 rounded up, bundles or choices)`, 128 threads.
// A warp has two rows, a lane every 32nd group. What a token gets does not depend on the others, to the bit.
template <class Format, int TOKENS>
DEVICE void multiply(const uint8_t* planes, uint64_t all, const int8_t* quants, const float* scales, float* out,
                     const float* bias, float factor, uint32_t rows, uint32_t columns, const uint32_t* chosen,
                     uint32_t per_token, uint32_t first_token) {
    const Planes<Format> matrix(planes, all);
    const uint32_t groups = columns / GROUP, first_row = (blockIdx.x * WARPS + static_cast<uint32_t>(warp())) * IN_FLIGHT;
    if (first_row >= rows) return;
    const uint32_t expert = chosen == nullptr ? 0 : load4(chosen + blockIdx.y);
    const uint32_t in = first_token + (chosen == nullptr ? blockIdx.y * TOKENS : blockIdx.y / per_token);
    const uint32_t to = first_token + blockIdx.y * TOKENS;
    float sums[IN_FLIGHT][TOKENS] = {};
    for (uint32_t at = static_cast<uint32_t>(lane()); at < groups; at += LANES) {
        Group weights[IN_FLIGHT];
#pragma unroll
        for (uint32_t row = 0; row < IN_FLIGHT; ++row) {
            // The last warp may have one row alone: it reads it twice and writes it once.
            const uint32_t there = first_row + row < rows ? first_row + row : first_row;
            weights[row] = matrix.group((static_cast<size_t>(expert) * rows + there) * groups + at);
        }
#pragma unroll
        for (uint32_t token = 0; token < TOKENS; ++token) {
            const size_t place = static_cast<size_t>(in + token) * groups + at;
#pragma unroll
            for (uint32_t row = 0; row < IN_FLIGHT; ++row)
                sums[row][token] += product<Format>(weights[row], quants + place * GROUP, scales + place * 4);
        }
    }
#pragma unroll
    for (uint32_t row = 0; row < IN_FLIGHT; ++row) {
#pragma unroll
        for (uint32_t token = 0; token < TOKENS; ++token) {
            const float sum = warp_sum(sums[row][token]);
            const uint32_t there = first_row + row;
            if (lane() != 0 || there >= rows) continue;
            const float added = bias == nullptr ? 0.0f : bias[static_cast<size_t>(expert) * rows + there];
            out[static_cast<size_t>(to + token) * rows + there] = factor * sum + added;
        }
    }
}

#define MULTIPLY(Format, name, TOKENS)                                                                                      \
    KERNEL(WARPS* LANES)                                                                                                    \
    multiply_##name##_##TOKENS(const uint8_t* planes, uint64_t all, const int8_t* quants, const float* scales, float* out,  \
                               const float* bias, float factor, uint32_t rows, uint32_t columns, const uint32_t* chosen,    \
                               uint32_t per_token, uint32_t first_token) {                                                  \
        multiply<Format, TOKENS>(planes, all, quants, scales, out, bias, factor, rows, columns, chosen, per_token,          \
                                 first_token);                                                                              \
    }
#define MULTIPLY_ALL(Format, name) \
    MULTIPLY(Format, name, 1) MULTIPLY(Format, name, 2) MULTIPLY(Format, name, 4) MULTIPLY(Format, name, 8)
EACH_FORMAT(MULTIPLY_ALL)

// The same for matrices of plain floats, `[rows, columns]` as in the file, and tokens as floats, `[tokens, columns]`. A warp for
// each row, a lane every 32nd column. Grid: `(rows / 4 rounded up, bundles or choices)`, 128 threads.
template <class Weight, int TOKENS>
DEVICE void multiply_floats(const uint8_t* weights, const float* tokens, float* out, const float* bias, float factor,
                            uint32_t rows, uint32_t columns, const uint32_t* chosen, uint32_t per_token,
                            uint32_t first_token) {
    const uint32_t row = blockIdx.x * WARPS + static_cast<uint32_t>(warp());
    if (row >= rows) return;
    const uint32_t expert = chosen == nullptr ? 0 : load4(chosen + blockIdx.y);
    const uint32_t in = first_token + (chosen == nullptr ? blockIdx.y * TOKENS : blockIdx.y / per_token);
    const uint32_t to = first_token + blockIdx.y * TOKENS;
    const size_t of_all = static_cast<size_t>(expert) * rows + row;
    float sums[TOKENS] = {};
    for (uint32_t at = static_cast<uint32_t>(lane()); at < columns; at += LANES) {
        const float weight = Weight::at(weights, of_all * columns + at);
#pragma unroll
        for (uint32_t token = 0; token < TOKENS; ++token)
            sums[token] += weight * tokens[static_cast<size_t>(in + token) * columns + at];
    }
#pragma unroll
    for (uint32_t token = 0; token < TOKENS; ++token) {
        const float sum = warp_sum(sums[token]);
        if (lane() == 0)
            out[static_cast<size_t>(to + token) * rows + row] = factor * sum + (bias == nullptr ? 0.0f : bias[of_all]);
    }
}

#define MULTIPLY_FLOATS(Weight, name, TOKENS)                                                                                \
    KERNEL(WARPS* LANES)                                                                                                     \
    multiply_##name##_##TOKENS(const uint8_t* weights, const float* tokens, float* out, const float* bias, float factor,     \
                               uint32_t rows, uint32_t columns, const uint32_t* chosen, uint32_t per_token,                  \
                               uint32_t first_token) {                                                                       \
        multiply_floats<Weight, TOKENS>(weights, tokens, out, bias, factor, rows, columns, chosen, per_token, first_token);  \
    }
#define EACH_FLOAT(DO) DO(F32Weight, f32) DO(F16Weight, f16) DO(BF16Weight, bf16)
#define MULTIPLY_FLOATS_ALL(Weight, name)                                       \
    MULTIPLY_FLOATS(Weight, name, 1) MULTIPLY_FLOATS(Weight, name, 2)           \
    MULTIPLY_FLOATS(Weight, name, 4) MULTIPLY_FLOATS(Weight, name, 8)
EACH_FLOAT(MULTIPLY_FLOATS_ALL)

// RMS norm, with what stands before and behind it: the addition to the residual stream, and the 8-bit numbers that quantized
// matrices read. One launch instead of three, and each row is read once.
#include "device.cuh"

// What goes with 32 quants: `x ≈ scale · quant`, and the sums of what the first and the last 16 stand for.
struct Scale { float scale, first_sum, last_sum, none; };

// 32 numbers, one in each lane, as 8-bit ones: `scale = max|x| / 127`, as the CPU's `Input`, to the bit.
DEVICE void quantize(float value, int8_t* quant, Scale* scale) {
    const float largest = warp_max(fabsf(value));
    const float size = largest / 127.0f;
    const float scaled = value * (size > 0.0f ? 1.0f / size : 0.0f);
    // What is no number is nothing; the smallest sizes have an infinite inverse.
    const float rounded = scaled == scaled ? round_even(fminf(fmaxf(scaled, -128.0f), 127.0f)) : 0.0f;
    *quant = static_cast<int8_t>(rounded);
    float sum = rounded;
    for (int mask = 8; mask > 0; mask /= 2) sum += lane_xor(sum, mask);
    const float last = lane_at(sum, 16);
    if (lane() == 0) *scale = {size, size * sum, size * last, 0.0f};
}

// For each row: `residual = (residual + factor · given) · scale` (unless `given` is null); `x / √(mean(x²) + epsilon) ⊙ weight`,
// or `x` as it is where `weight` is null, goes to `out` (unless null) and as quants with scales to `quants` and `scales` (unless
// null). `out` may be `residual`.
// Shapes: residual, given, out, quants `[rows, columns]`, weight `[columns]`, scales `[rows, columns / 32]`.
// A block for each row; columns a multiple of 32; shared memory: 32 floats.
KERNEL(1024) add_norm(float* residual, const float* given, float factor, float scale, const float* weight, float epsilon,
                      float* out, int8_t* quants, Scale* scales, uint32_t columns) {
    const size_t row = static_cast<size_t>(blockIdx.x) * columns;
    float squares = 0.0f;
    for (uint32_t at = threadIdx.x; at < columns; at += blockDim.x) {
        float value = residual[row + at];
        if (given != nullptr) {
            value = (value + factor * given[row + at]) * scale;
            residual[row + at] = value;
        }
        squares += value * value;
    }
    const float mean = block_sum(squares, shared_floats()) / static_cast<float>(columns);
    const float size = 1.0f / sqrtf(mean + epsilon);
    // Each thread reads what it wrote; a warp has 32 neighbours, so all its lanes leave the loop together.
    for (uint32_t at = threadIdx.x; at < columns; at += blockDim.x) {
        const float value = weight == nullptr ? residual[row + at] : residual[row + at] * size * weight[at];
        if (out != nullptr) out[row + at] = value;
        if (quants != nullptr) quantize(value, quants + row + at, scales + (row + at) / 32);
    }
}

// Rows as quants, as they are. A warp takes 32 neighbours: grid `(columns / 32 / warps rounded up, rows)`.
KERNEL(256) quantize_rows(const float* rows, int8_t* quants, Scale* scales, uint32_t columns) {
    const uint32_t at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= columns) return;
    const size_t place = static_cast<size_t>(blockIdx.y) * columns + at;
    quantize(rows[place], quants + place, scales + place / 32);
}

// The activation between the matrices of a feed-forward part.
// 0: silu(gate) · up; 1: GELU's tanh formula (gate) · up; 2: max(gate, 0)² · up; 3: gpt-oss' clamped SwiGLU.
DEVICE float activated(uint32_t kind, float gate, float up, float alpha, float limit) {
    if (kind == 0) return gate / (1.0f + expf(-gate)) * up;
    if (kind == 1) {
        const float inner = 0.79788456080286535588f * (gate + 0.044715f * gate * gate * gate);
        return 0.5f * gate * (1.0f + tanhf(inner)) * up;
    }
    if (kind == 2) {
        const float positive = fmaxf(gate, 0.0f);
        return positive * positive * up;
    }
    const float bounded = fminf(gate, limit);
    return bounded / (1.0f + expf(-alpha * bounded)) * (fminf(fmaxf(up, -limit), limit) + 1.0f);
}

// `out = activated(gate, up)` and its quants. `gate` and `up` are rows of `stride` floats (a fused matrix has both in one row);
// without a gate (null), what comes out of `up` is its own gate, and nothing is multiplied. out, quants `[rows, columns]`, each unless null. A warp takes 32 neighbours: grid `(columns / 32 / warps, rows)`.
KERNEL(256) activate(const float* gate, const float* up, uint32_t stride, uint32_t kind, float alpha, float limit, float* out,
                     int8_t* quants, Scale* scales, uint32_t columns) {
    const uint32_t at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= columns) return;
    const size_t from = static_cast<size_t>(blockIdx.y) * stride + at, to = static_cast<size_t>(blockIdx.y) * columns + at;
    const float value = gate == nullptr ? activated(kind, up[from], 1.0f, alpha, limit)
                                        : activated(kind, gate[from], up[from], alpha, limit);
    if (out != nullptr) out[to] = value;
    if (quants != nullptr) quantize(value, quants + to, scales + to / 32);
}

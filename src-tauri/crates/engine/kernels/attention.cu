// Keys and values on their way into pages, and how they lie there; look.cu and flash.cu look at them.
//
// Pages on the device: for each attention layer `[page][kv_head][position in page][dim]`, keys apart from values, as F32, F16
// or Q8_0 (a head's row: `dim` signed bytes, then `dim / 32` halves). A sequence's pages are named by a table.
#include "device.cuh"
// Before this one in the unit: norm.cu, which quantizes.

constexpr uint32_t PAGE = 32;

// How a head's row is kept. `Eight`: eight neighbours as they lie there, where they begin at a multiple of eight; loads of them can
// be on their way together, before any is spread. All zeros, they are zeros.

struct F32Row {
    static DEVICE size_t bytes(uint32_t dim) { return 4 * static_cast<size_t>(dim); }
    static DEVICE float at(const uint8_t* row, uint32_t, uint32_t element) {
        return bits_to_float(load4(row + 4 * element));
    }
    static DEVICE void write(uint8_t* row, uint32_t, uint32_t element, float value) {
        reinterpret_cast<float*>(row)[element] = value;
    }
    struct Eight { Quad half[2]; };
    static DEVICE Eight load(const uint8_t* row, uint32_t, uint32_t element) {
        return {{load16(row + 4 * element), load16(row + 4 * element + 16)}};
    }
    static DEVICE void spread(const Eight& eight, float (&out)[8]) {
#pragma unroll
        for (int at = 0; at < 8; ++at) out[at] = bits_to_float(eight.half[at / 4].word[at % 4]);
    }
};
struct F16Row {
    static DEVICE size_t bytes(uint32_t dim) { return 2 * static_cast<size_t>(dim); }
    static DEVICE float at(const uint8_t* row, uint32_t, uint32_t element) { return from_half(load2(row + 2 * element)); }
    static DEVICE void write(uint8_t* row, uint32_t, uint32_t element, float value) {
        reinterpret_cast<uint16_t*>(row)[element] = to_half(value);
    }
    using Eight = Quad;
    static DEVICE Eight load(const uint8_t* row, uint32_t, uint32_t element) { return load16(row + 2 * element); }
    static DEVICE void spread(const Eight& eight, float (&out)[8]) {
#pragma unroll
        for (int at = 0; at < 8; ++at) out[at] = from_half(static_cast<uint16_t>(eight.word[at / 2] >> (at % 2 * 16)));
    }
};
struct Q8Row {
    static DEVICE size_t bytes(uint32_t dim) { return dim + 2 * (static_cast<size_t>(dim) / 32); }
    static DEVICE float at(const uint8_t* row, uint32_t dim, uint32_t element) {
        const float scale = from_half(load2(row + dim + element / 32 * 2));
        return scale * static_cast<float>(static_cast<int8_t>(load1(row + element)));
    }
    // All 32 lanes come with neighbouring elements.
    static DEVICE void write(uint8_t* row, uint32_t dim, uint32_t element, float value) {
        const float largest = warp_max(fabsf(value));
        const float rounded = largest > 0.0f ? round_even(value * (127.0f / largest)) : 0.0f;
        row[element] = static_cast<uint8_t>(static_cast<int8_t>(rounded));
        if (element % 32 == 0) reinterpret_cast<uint16_t*>(row + dim)[element / 32] = to_half(largest / 127.0f);
    }
    struct Eight { uint32_t quants[2], scale; };
    // A row of 34 bytes for each 32 elements: on which border it begins depends on how many there are.
    static DEVICE Eight load(const uint8_t* row, uint32_t dim, uint32_t element) {
        const uint8_t* from = row + element;
        const uint32_t scale = load2(row + dim + element / 32 * 2);
        if (dim % 128 == 0) {
            const Pair pair = load8(from);
            return {{pair.word[0], pair.word[1]}, scale};
        }
        if (dim % 64 == 0) return {{load4(from), load4(from + 4)}, scale};
        const uint32_t first = load2(from), second = load2(from + 2), third = load2(from + 4), fourth = load2(from + 6);
        return {{first | second << 16, third | fourth << 16}, scale};
    }
    static DEVICE void spread(const Eight& eight, float (&out)[8]) {
        const float scale = from_half(static_cast<uint16_t>(eight.scale));
#pragma unroll
        for (int at = 0; at < 8; ++at)
            out[at] = scale * static_cast<float>(static_cast<int8_t>(eight.quants[at / 4] >> (at % 4 * 8)));
    }
};

// Turns a head's elements and writes keys and values where they are kept: RoPE and the KV cache in one launch.
//
// blockIdx.x: row of the step; blockIdx.y: head, first the queries' (turned in place), then the keys', then the values'.
// `queries` `[rows, heads, key_dim]`, `keys` `[rows, kv_heads, key_dim]`, `values` `[rows, kv_heads, value_dim]`, a row so many
// floats behind the one before as the strides say;
// `turns` `[rows, turned / 2, 2]` has cosine and sine of each pair, null where nothing turns; `interleaved`: pairs are
// neighbours, else `turned / 2` apart. `slots` `[rows]`: page · 32 + position in the page. Norms of queries and keys over
// their head (null weights: none) come first, and of values, without weights, where `value_norm` is set; queries are multiplied
// by `warmth` `[rows]` (null: 1) at the end. A grid of `heads` in y alone leaves keys and values out. Threads: a multiple of 32,
// at least the larger dim; shared memory: 32 floats and one head.
template <class Row>
DEVICE void place(float* queries, const float* keys, const float* values, const float* query_norm, const float* key_norm,
                  uint32_t value_norm, float epsilon, const float* turns, uint32_t turned, uint32_t interleaved,
                  const float* warmth, const uint32_t* slots, uint8_t* kept_keys, uint8_t* kept_values, uint32_t query_stride,
                  uint32_t key_stride, uint32_t value_stride, uint32_t heads, uint32_t kv_heads, uint32_t key_dim,
                  uint32_t value_dim) {
    float* head_room = shared_floats() + LANES;
    const uint32_t row = blockIdx.x, element = threadIdx.x;
    const bool is_query = blockIdx.y < heads, is_value = blockIdx.y >= heads + kv_heads;
    const uint32_t head = is_query ? blockIdx.y : is_value ? blockIdx.y - heads - kv_heads : blockIdx.y - heads;
    const uint32_t dim = is_value ? value_dim : key_dim;
    const uint32_t stride = is_query ? query_stride : is_value ? value_stride : key_stride;
    const size_t from = static_cast<size_t>(row) * stride + head * dim + element;
    const bool mine = element < dim;
    float value = 0.0f;
    if (mine) value = is_query ? queries[from] : is_value ? values[from] : keys[from];
    const float* norm = is_value ? nullptr : is_query ? query_norm : key_norm;
    if (norm != nullptr || (is_value && value_norm)) {
        const float mean = block_sum(value * value, shared_floats()) / static_cast<float>(dim);
        if (mine) value = value / sqrtf(mean + epsilon) * (norm == nullptr ? 1.0f : norm[element]);
    }
    if (turns != nullptr && !is_value) {
        if (mine) head_room[element] = value;
        block_barrier();
        if (mine && element < turned) {
            const uint32_t half = turned / 2;
            const uint32_t pair = interleaved ? element / 2 : element % half;
            const bool second = interleaved ? element % 2 == 1 : element >= half;
            const uint32_t other = interleaved ? element ^ 1u : second ? element - half : element + half;
            const float* turn = turns + (static_cast<size_t>(row) * half + pair) * 2;
            value = second ? value * turn[0] + head_room[other] * turn[1] : value * turn[0] - head_room[other] * turn[1];
        }
    }
    if (is_query) {
        if (mine) queries[from] = warmth == nullptr ? value : value * warmth[row];
        return;
    }
    const uint32_t slot = load4(slots + row);
    const size_t place = (static_cast<size_t>(slot / PAGE) * kv_heads + head) * PAGE + slot % PAGE;
    uint8_t* kept = (is_value ? kept_values : kept_keys) + place * Row::bytes(dim);
    // Whole warps: a dim is a multiple of 32 where rows are quantized.
    if (mine) Row::write(kept, dim, element, value);
}

#define PLACE(Row, name)                                                                                                   \
    KERNEL(1024)                                                                                                           \
    place_##name(float* queries, const float* keys, const float* values, const float* query_norm, const float* key_norm,   \
                 uint32_t value_norm, float epsilon, const float* turns, uint32_t turned, uint32_t interleaved,            \
                 const float* warmth, const uint32_t* slots, uint8_t* kept_keys, uint8_t* kept_values,                     \
                 uint32_t query_stride, uint32_t key_stride, uint32_t value_stride, uint32_t heads, uint32_t kv_heads,     \
                 uint32_t key_dim, uint32_t value_dim) {                                                                   \
        place<Row>(queries, keys, values, query_norm, key_norm, value_norm, epsilon, turns, turned, interleaved, warmth,   \
                   slots, kept_keys, kept_values, query_stride, key_stride, value_stride, heads, kv_heads, key_dim,        \
                   value_dim);                                                                                             \
    }
PLACE(F32Row, f32)
PLACE(F16Row, f16)
PLACE(Q8Row, q8_0)

// Softmax attention over pages of keys and values, for the few rows of a decode step: many blocks share one row's past
// ("split KV"), each with a running maximum and sum (the online softmax of FlashAttention, arXiv 2205.14135), and a second
// kernel joins what they found. All query heads of one head of keys are looked at together, so each key is read once.
//
// Pages on the device: for each attention layer `[page][kv_head][position in page][dim]`, keys apart from values, as F32, F16
// or Q8_0 (a head's row: `dim` signed bytes, then `dim / 32` halves). A sequence's pages are named by a table.
#include "device.cuh"
// Before this one in the unit: norm.cu, which quantizes.

constexpr uint32_t PAGE = 32;
// Positions that one block looks at: so many pages.
constexpr uint32_t SPLIT_PAGES = 8;

struct F32Row {
    static DEVICE size_t bytes(uint32_t dim) { return 4 * static_cast<size_t>(dim); }
    static DEVICE float at(const uint8_t* row, uint32_t, uint32_t element) {
        return bits_to_float(load4(row + 4 * element));
    }
    static DEVICE void write(uint8_t* row, uint32_t, uint32_t element, float value) {
        reinterpret_cast<float*>(row)[element] = value;
    }
};
struct F16Row {
    static DEVICE size_t bytes(uint32_t dim) { return 2 * static_cast<size_t>(dim); }
    static DEVICE float at(const uint8_t* row, uint32_t, uint32_t element) { return from_half(load2(row + 2 * element)); }
    static DEVICE void write(uint8_t* row, uint32_t, uint32_t element, float value) {
        reinterpret_cast<uint16_t*>(row)[element] = to_half(value);
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

// What a block found of one query head: `[splits, rows, heads]` of largest and sum, and sums `[.., value_dim]`.
//
// blockIdx: x split, y head of keys, z row. `pages` `[sequences, table]`, `sequence_of` `[rows]`, `positions` `[rows]`: a row
// sees `window` positions up to its own (0: all); its queries begin `query_stride` floats behind those of the row before. 128 threads; shared memory: the queries of a group of heads, their scores of
// one page, and running maximum, sum and factor of each.
template <class Row>
DEVICE void look(const float* queries, uint32_t query_stride, const uint8_t* kept_keys, const uint8_t* kept_values, const uint32_t* pages,
                 uint32_t table, const uint32_t* sequence_of, const uint32_t* positions, float scale, float softcap,
                 uint32_t window, uint32_t heads, uint32_t kv_heads, uint32_t key_dim, uint32_t value_dim, float* found,
                 float* sums) {
    const uint32_t shared_heads = heads / kv_heads, head = blockIdx.y, row = blockIdx.z, splits = gridDim.x, rows = gridDim.z;
    float* query = shared_floats();
    float* scores = query + shared_heads * key_dim;
    float* largest = scores + shared_heads * PAGE;
    float* total = largest + shared_heads;
    float* shrink = total + shared_heads;
    float* sum = shrink + shared_heads;
    const size_t first_query = static_cast<size_t>(row) * query_stride + head * shared_heads * key_dim;
    for (uint32_t at = threadIdx.x; at < shared_heads * key_dim; at += blockDim.x) query[at] = queries[first_query + at] * scale;
    for (uint32_t at = threadIdx.x; at < shared_heads; at += blockDim.x) {
        largest[at] = -INFINITY;
        total[at] = 0.0f;
    }
    for (uint32_t at = threadIdx.x; at < shared_heads * value_dim; at += blockDim.x) sum[at] = 0.0f;
    block_barrier();
    const uint32_t end = load4(positions + row) + 1, begin = window == 0 || end < window ? 0 : end - window;
    const uint32_t* names = pages + static_cast<size_t>(load4(sequence_of + row)) * table;
    const uint32_t first_page = blockIdx.x * SPLIT_PAGES, last_page = first_page + SPLIT_PAGES;
    for (uint32_t page = first_page; page < last_page; ++page) {
        const uint32_t base = page * PAGE;
        // The same for all threads.
        if (base >= end) break;
        if (base + PAGE <= begin) continue;
        const size_t kept = (static_cast<size_t>(load4(names + page)) * kv_heads + head) * PAGE;
        for (uint32_t at = static_cast<uint32_t>(warp()); at < PAGE; at += blockDim.x / LANES) {
            const bool seen = base + at >= begin && base + at < end;
            const uint8_t* key = kept_keys + (kept + at) * Row::bytes(key_dim);
            for (uint32_t of = 0; of < shared_heads; ++of) {
                float score = 0.0f;
                if (seen) {
                    for (uint32_t element = static_cast<uint32_t>(lane()); element < key_dim; element += LANES)
                        score += query[of * key_dim + element] * Row::at(key, key_dim, element);
                }
                score = warp_sum(score);
                if (softcap > 0.0f) score = softcap * tanhf(score / softcap);
                if (lane() == 0) scores[of * PAGE + at] = seen ? score : -INFINITY;
            }
        }
        block_barrier();
        // A warp for each head: the page's largest, and its scores as shares of it.
        for (uint32_t of = static_cast<uint32_t>(warp()); of < shared_heads; of += blockDim.x / LANES) {
            const float score = scores[of * PAGE + lane()];
            const float before = largest[of], now = fmaxf(before, warp_max(score));
            const float share = expf(score - now);
            const float shares = warp_sum(share);
            scores[of * PAGE + lane()] = share;
            if (lane() == 0) {
                const float factor = expf(before - now);
                shrink[of] = factor;
                total[of] = total[of] * factor + shares;
                largest[of] = now;
            }
        }
        block_barrier();
        for (uint32_t at = threadIdx.x; at < shared_heads * value_dim; at += blockDim.x) {
            const uint32_t of = at / value_dim, element = at % value_dim;
            float value = sum[at] * shrink[of];
            for (uint32_t position = 0; position < PAGE; ++position) {
                const float share = scores[of * PAGE + position];
                // What nobody has written yet may be anything.
                if (share > 0.0f)
                    value += share * Row::at(kept_values + (kept + position) * Row::bytes(value_dim), value_dim, element);
            }
            sum[at] = value;
        }
        block_barrier();
    }
    const size_t place = (static_cast<size_t>(blockIdx.x) * rows + row) * heads + head * shared_heads;
    for (uint32_t at = threadIdx.x; at < shared_heads; at += blockDim.x) {
        found[(place + at) * 2] = largest[at];
        found[(place + at) * 2 + 1] = total[at];
    }
    for (uint32_t at = threadIdx.x; at < shared_heads * value_dim; at += blockDim.x) sums[place * value_dim + at] = sum[at];
    (void)splits;
}

// Joins the splits: `out` `[rows, heads, value_dim]`, and as quants with scales (norm.cu) unless those are null, which wants
// value_dim to be a multiple of 32. `sinks` `[heads]` or null: a score without a value for each head.
// A block for each row and head (blockIdx.x = row · heads + head).
KERNEL(256) join(const float* found, const float* sums, const float* sinks, uint32_t splits, uint32_t heads,
                 uint32_t value_dim, float* out, int8_t* quants, Scale* scales) {
    const uint32_t at = blockIdx.x, all = gridDim.x;
    float largest = sinks == nullptr ? -INFINITY : sinks[at % heads];
    for (uint32_t split = 0; split < splits; ++split) largest = fmaxf(largest, found[(static_cast<size_t>(split) * all + at) * 2]);
    float total = sinks == nullptr ? 0.0f : expf(sinks[at % heads] - largest);
    for (uint32_t split = 0; split < splits; ++split) {
        const float* one = found + (static_cast<size_t>(split) * all + at) * 2;
        total += one[1] * expf(one[0] - largest);
    }
    for (uint32_t element = threadIdx.x; element < value_dim; element += blockDim.x) {
        float value = 0.0f;
        for (uint32_t split = 0; split < splits; ++split) {
            const size_t one = static_cast<size_t>(split) * all + at;
            value += sums[one * value_dim + element] * expf(found[one * 2] - largest);
        }
        const size_t place = static_cast<size_t>(at) * value_dim + element;
        out[place] = value / total;
        // Whole warps leave the loop together.
        if (quants != nullptr) quantize(value / total, quants + place, scales + place / 32);
    }
}

#define ATTENTION(Row, name)                                                                                               \
    KERNEL(1024)                                                                                                           \
    place_##name(float* queries, const float* keys, const float* values, const float* query_norm, const float* key_norm,   \
                 uint32_t value_norm, float epsilon, const float* turns, uint32_t turned, uint32_t interleaved,            \
                 const float* warmth, const uint32_t* slots, uint8_t* kept_keys, uint8_t* kept_values,                     \
                 uint32_t query_stride, uint32_t key_stride, uint32_t value_stride, uint32_t heads, uint32_t kv_heads,     \
                 uint32_t key_dim, uint32_t value_dim) {                                                                   \
        place<Row>(queries, keys, values, query_norm, key_norm, value_norm, epsilon, turns, turned, interleaved, warmth,   \
                   slots, kept_keys, kept_values, query_stride, key_stride, value_stride, heads, kv_heads, key_dim,        \
                   value_dim);                                                                                             \
    }                                                                                                                      \
    KERNEL(128)                                                                                                            \
    look_##name(const float* queries, uint32_t query_stride, const uint8_t* kept_keys, const uint8_t* kept_values,         \
                const uint32_t* pages, uint32_t table, const uint32_t* sequence_of, const uint32_t* positions,             \
                float scale, float softcap, uint32_t window, uint32_t heads, uint32_t kv_heads, uint32_t key_dim,          \
                uint32_t value_dim, float* found, float* sums) {                                                           \
        look<Row>(queries, query_stride, kept_keys, kept_values, pages, table, sequence_of, positions, scale, softcap,     \
                  window, heads, kv_heads, key_dim, value_dim, found, sums);                                               \
    }
ATTENTION(F32Row, f32)
ATTENTION(F16Row, f16)
ATTENTION(Q8Row, q8_0)

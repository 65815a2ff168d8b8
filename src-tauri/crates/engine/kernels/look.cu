// Softmax attention over pages of keys and values, for the few rows of a decode step: many blocks share one row's past
// ("split KV"), each with running maxima and sums (the online softmax of FlashAttention, arXiv 2205.14135), and a second kernel
// joins what they found. Query heads of one head of keys are looked at together, so that each key is read once.
//
// What it takes is waiting for memory: so keys and values of several positions are on their way at once, each as sixteen bytes
// a lane, and warps wait for one another only at the end.
#include "device.cuh"
// Before this one in the unit: norm.cu, which quantizes; attention.cu, with the rows of pages.

// Pages that one block looks at, at least.
constexpr uint32_t SPLIT_PAGES = 4;
constexpr int LOOK_WARPS = 4;

// `exp(value − largest)`, 0 where both are minus infinity.
DEVICE float share_of(float value, float largest) { return expf(value - (largest == -INFINITY ? 0.0f : largest)); }

// What a block found of up to `HEADS` query heads of one head of keys: largest score and sum of shares `[splits, rows, heads, 2]`,
// and sums `[splits, rows, heads, value_dim]`.
//
// blockIdx: x split, y head of keys and which of its runs of `HEADS` query heads, z row. `pages` `[sequences, table]`,
// `sequence_of` `[rows]`, `positions` `[rows]`: a row sees `window` positions up to its own (0: all); its queries begin
// `query_stride` floats behind those of the row before. Dims are multiples of 8, at most 256 · EIGHTS. How a row's past is split
// follows from its own length and the number of splits. 128 threads; shared memory: for each warp and head `2 + value_dim` floats.
template <class Row, int HEADS, int EIGHTS>
DEVICE void look(const float* queries, uint32_t query_stride, const uint8_t* kept_keys, const uint8_t* kept_values,
                 const uint32_t* pages, uint32_t table, const uint32_t* sequence_of, const uint32_t* positions, float scale,
                 float softcap, uint32_t window, uint32_t heads, uint32_t kv_heads, uint32_t key_dim, uint32_t value_dim,
                 float* found, float* sums) {
    using Eight = typename Row::Eight;
    // Positions that a group of lanes has on their way: as many as registers hold.
    constexpr int TOGETHER = EIGHTS == 1 ? 4 : 2;
    const uint32_t shared_heads = heads / kv_heads, runs = (shared_heads + HEADS - 1) / HEADS;
    const uint32_t kv_head = blockIdx.y / runs, first_head = blockIdx.y % runs * HEADS, row = blockIdx.z, rows = gridDim.z;
    const uint32_t here = shared_heads - first_head < HEADS ? shared_heads - first_head : HEADS;
    const uint32_t dim = key_dim > value_dim ? key_dim : value_dim;
    // A position is a group of lanes': as few as have all of it.
    uint32_t lanes = 1;
    while (lanes * 8 * EIGHTS < dim) lanes *= 2;
    const uint32_t groups = LANES / lanes, of_group = static_cast<uint32_t>(lane()) % lanes;
    const uint32_t group = static_cast<uint32_t>(warp()) * groups + static_cast<uint32_t>(lane()) / lanes;

    float query[HEADS][EIGHTS][8], sum[HEADS][EIGHTS][8], largest[HEADS], total[HEADS];
    const float* own = queries + static_cast<size_t>(row) * query_stride + (kv_head * shared_heads + first_head) * key_dim;
#pragma unroll
    for (uint32_t of = 0; of < HEADS; ++of) {
        largest[of] = -INFINITY;
        total[of] = 0.0f;
#pragma unroll
        for (uint32_t eight = 0; eight < EIGHTS; ++eight) {
#pragma unroll
            for (uint32_t at = 0; at < 8; ++at) {
                const uint32_t element = (eight * lanes + of_group) * 8 + at;
                query[of][eight][at] = of < here && element < key_dim ? own[of * key_dim + element] * scale : 0.0f;
                sum[of][eight][at] = 0.0f;
            }
        }
    }

    const uint32_t now = load4(positions + row) + 1, begin = window == 0 || now < window ? 0 : now - window;
    uint32_t of_split = SPLIT_PAGES * PAGE;
    while (of_split * gridDim.x < now) of_split *= 2;
    const uint32_t first = blockIdx.x * of_split, end = now < first + of_split ? now : first + of_split;
    const uint32_t* names = pages + static_cast<size_t>(load4(sequence_of + row)) * table;
    const uint32_t step = LOOK_WARPS * groups * TOGETHER;
    // Whole steps before the window are left out.
    for (uint32_t base = begin > first ? first + (begin - first) / step * step : first; base < end; base += step) {
        Eight keys[TOGETHER][EIGHTS], values[TOGETHER][EIGHTS];
        bool seen[TOGETHER];
#pragma unroll
        for (uint32_t one = 0; one < TOGETHER; ++one) {
            const uint32_t position = base + one * LOOK_WARPS * groups + group;
            seen[one] = position >= begin && position < end;
            const uint32_t name = seen[one] ? load4(names + position / PAGE) : 0;
            const size_t kept = (static_cast<size_t>(name) * kv_heads + kv_head) * PAGE + position % PAGE;
#pragma unroll
            for (uint32_t eight = 0; eight < EIGHTS; ++eight) {
                const uint32_t element = (eight * lanes + of_group) * 8;
                // What nobody has written yet may be anything.
                keys[one][eight] = values[one][eight] = Eight{};
                if (seen[one] && element < key_dim)
                    keys[one][eight] = Row::load(kept_keys + kept * Row::bytes(key_dim), key_dim, element);
                if (seen[one] && element < value_dim)
                    values[one][eight] = Row::load(kept_values + kept * Row::bytes(value_dim), value_dim, element);
            }
        }
        float shares[HEADS][TOGETHER];
#pragma unroll
        for (uint32_t one = 0; one < TOGETHER; ++one) {
#pragma unroll
            for (uint32_t of = 0; of < HEADS; ++of) shares[of][one] = 0.0f;
#pragma unroll
            for (uint32_t eight = 0; eight < EIGHTS; ++eight) {
                float key[8];
                Row::spread(keys[one][eight], key);
#pragma unroll
                for (uint32_t of = 0; of < HEADS; ++of) {
#pragma unroll
                    for (uint32_t at = 0; at < 8; ++at) shares[of][one] += query[of][eight][at] * key[at];
                }
            }
        }
#pragma unroll
        for (uint32_t of = 0; of < HEADS; ++of) {
            float most = largest[of];
#pragma unroll
            for (uint32_t one = 0; one < TOGETHER; ++one) {
                float score = shares[of][one];
                for (uint32_t mask = lanes / 2; mask > 0; mask /= 2) score += lane_xor(score, static_cast<int>(mask));
                if (softcap > 0.0f) score = softcap * tanhf(score / softcap);
                shares[of][one] = seen[one] ? score : -INFINITY;
                most = fmaxf(most, shares[of][one]);
            }
            const float shrink = share_of(largest[of], most);
            largest[of] = most;
            total[of] *= shrink;
#pragma unroll
            for (uint32_t one = 0; one < TOGETHER; ++one) {
                shares[of][one] = share_of(shares[of][one], most);
                total[of] += shares[of][one];
            }
#pragma unroll
            for (uint32_t eight = 0; eight < EIGHTS; ++eight) {
#pragma unroll
                for (uint32_t at = 0; at < 8; ++at) sum[of][eight][at] *= shrink;
            }
        }
#pragma unroll
        for (uint32_t one = 0; one < TOGETHER; ++one) {
#pragma unroll
            for (uint32_t eight = 0; eight < EIGHTS; ++eight) {
                float value[8];
                Row::spread(values[one][eight], value);
#pragma unroll
                for (uint32_t of = 0; of < HEADS; ++of) {
#pragma unroll
                    for (uint32_t at = 0; at < 8; ++at) sum[of][eight][at] += shares[of][one] * value[at];
                }
            }
        }
    }

    // The groups of a warp, then the warps.
    float* of_warps = shared_floats();
    const uint32_t width = 2 + value_dim;
#pragma unroll
    for (uint32_t of = 0; of < HEADS; ++of) {
        for (uint32_t mask = lanes; mask < LANES; mask *= 2) {
            const float other = lane_xor(largest[of], static_cast<int>(mask)), most = fmaxf(largest[of], other);
            const float mine = share_of(largest[of], most), theirs = share_of(other, most);
            largest[of] = most;
            total[of] = total[of] * mine + lane_xor(total[of], static_cast<int>(mask)) * theirs;
#pragma unroll
            for (uint32_t eight = 0; eight < EIGHTS; ++eight) {
#pragma unroll
                for (uint32_t at = 0; at < 8; ++at) {
                    float& number = sum[of][eight][at];
                    number = number * mine + lane_xor(number, static_cast<int>(mask)) * theirs;
                }
            }
        }
        float* room = of_warps + (static_cast<uint32_t>(warp()) * HEADS + of) * width;
        if (lane() == 0) {
            room[0] = largest[of];
            room[1] = total[of];
        }
#pragma unroll
        for (uint32_t eight = 0; eight < EIGHTS; ++eight) {
            const uint32_t element = (eight * lanes + of_group) * 8;
            if (static_cast<uint32_t>(lane()) < lanes && element < value_dim) {
#pragma unroll
                for (uint32_t at = 0; at < 8; ++at) room[2 + element + at] = sum[of][eight][at];
            }
        }
    }
    block_barrier();
    const size_t place = (static_cast<size_t>(blockIdx.x) * rows + row) * heads + kv_head * shared_heads + first_head;
    for (uint32_t at = threadIdx.x; at < here * width; at += blockDim.x) {
        const uint32_t of = at / width, which = at % width;
        float most = -INFINITY, number = 0.0f;
        for (uint32_t warp = 0; warp < LOOK_WARPS; ++warp) most = fmaxf(most, of_warps[(warp * HEADS + of) * width]);
        for (uint32_t warp = 0; warp < LOOK_WARPS; ++warp) {
            const float* room = of_warps + (warp * HEADS + of) * width;
            number += room[which] * share_of(room[0], most);
        }
        if (which == 0) found[(place + of) * 2] = most;
        else if (which == 1) found[(place + of) * 2 + 1] = number;
        else sums[(place + of) * value_dim + which - 2] = number;
    }
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

// Each way of keeping, for runs of 1, 2, 4 and 8 heads, and of 4 that are wider than 256.
#define LOOK(Row, name, HEADS, EIGHTS)                                                                                     \
    KERNEL(128)                                                                                                            \
    look_##name##_##HEADS##_##EIGHTS(const float* queries, uint32_t query_stride, const uint8_t* kept_keys,                \
                                     const uint8_t* kept_values, const uint32_t* pages, uint32_t table,                    \
                                     const uint32_t* sequence_of, const uint32_t* positions, float scale, float softcap,   \
                                     uint32_t window, uint32_t heads, uint32_t kv_heads, uint32_t key_dim,                 \
                                     uint32_t value_dim, float* found, float* sums) {                                      \
        look<Row, HEADS, EIGHTS>(queries, query_stride, kept_keys, kept_values, pages, table, sequence_of, positions,      \
                                 scale, softcap, window, heads, kv_heads, key_dim, value_dim, found, sums);                \
    }
#define EACH_LOOK_OF(DO, Row, name) DO(Row, name, 1, 1) DO(Row, name, 2, 1) DO(Row, name, 4, 1) DO(Row, name, 8, 1) DO(Row, name, 4, 2)
#define EACH_LOOK(DO) EACH_LOOK_OF(DO, F32Row, f32) EACH_LOOK_OF(DO, F16Row, f16) EACH_LOOK_OF(DO, Q8Row, q8_0)
EACH_LOOK(LOOK)

// Softmax attention of many rows: what reading a prompt does. FlashAttention's running softmax (arXiv 2205.14135) with products of
// half precision on the tensor cores and sums of floats. Keys and values of a page are brought into shared memory once for all
// queries of a block, which are those of several rows and of all heads that share a head of keys.
//
// Queries, keys, shares and values are rounded to half precision on their way; look.cu's `look`, for few rows, is exact in
// that. What a row gets does not depend on the rows beside it.
// Before this one in the unit: attention.cu, with the rows of pages.
#include "device.cuh"

// Queries of a block (pairs of a row and a head), of a warp, and threads.
constexpr uint32_t QUERIES = 64, WARP_QUERIES = 16, FLASH_THREADS = 128;
// Halves that a row in shared memory is longer, so that eight of them lie in different banks.
constexpr uint32_t PADDING = 8;
// Parts of eight positions in a page, and of eight elements of values.
constexpr int PAGE_PARTS = 4;

DEVICE uint32_t two_halves(float first, float second) {
    return static_cast<uint32_t>(to_half(first)) | static_cast<uint32_t>(to_half(second)) << 16;
}

// A number that is not beyond what a half holds.
DEVICE float as_half(float value) { return value > 65504.0f ? 65504.0f : value < -65504.0f ? -65504.0f : value; }

// Keys as they lie, `[position][element]`; values turned, `[element][position]`, so that two neighbouring positions are a word.
// From `seen` positions on nothing has been written yet: zeros. A thread brings eight elements of a position at once; of keys,
// neighbours bring neighbouring elements, of values neighbouring positions, so that they write into different banks.
template <class Row, uint32_t DIM>
DEVICE void fill_page(uint32_t* keys, uint16_t* values, const uint8_t* kept_keys, const uint8_t* kept_values, size_t kept,
                      uint32_t seen, uint32_t key_dim, uint32_t value_dim) {
    constexpr uint32_t EIGHTS = DIM / 8;
    for (uint32_t at = threadIdx.x; at < PAGE * EIGHTS; at += FLASH_THREADS) {
        const uint32_t position = at / EIGHTS, element = at % EIGHTS * 8;
        float key[8] = {};
        if (position < seen && element < key_dim)
            Row::spread(Row::load(kept_keys + (kept + position) * Row::bytes(key_dim), key_dim, element), key);
        uint32_t* to = keys + position * ((DIM + PADDING) / 2) + element / 2;
#pragma unroll
        for (int pair = 0; pair < 4; ++pair) to[pair] = two_halves(key[2 * pair], key[2 * pair + 1]);
    }
    for (uint32_t at = threadIdx.x; at < PAGE * EIGHTS; at += FLASH_THREADS) {
        const uint32_t position = at % PAGE, element = at / PAGE * 8;
        float value[8] = {};
        if (position < seen && element < value_dim)
            Row::spread(Row::load(kept_values + (kept + position) * Row::bytes(value_dim), value_dim, element), value);
#pragma unroll
        for (uint32_t one = 0; one < 8; ++one) values[(element + one) * (PAGE + PADDING) + position] = to_half(value[one]);
    }
}

// The running softmax of the two queries that a lane has results of.
struct Softmax { float largest[2], sum[2]; };

// Takes scores of a page into it: scores become shares, what was summed before shrinks by `shrink`.
DEVICE void take_scores(float (&scores)[PAGE_PARTS][4], Softmax& softmax, float (&shrink)[2]) {
#pragma unroll
    for (int of = 0; of < 2; ++of) {
        float largest = softmax.largest[of];
#pragma unroll
        for (int part = 0; part < PAGE_PARTS; ++part)
            largest = fmaxf(largest, fmaxf(scores[part][2 * of], scores[part][2 * of + 1]));
        // The four lanes that have the same query.
        largest = fmaxf(largest, lane_xor(largest, 1));
        largest = fmaxf(largest, lane_xor(largest, 2));
        // Who has seen nothing yet has nothing to shrink.
        const bool none = largest == -INFINITY;
        shrink[of] = none ? 1.0f : expf(softmax.largest[of] - largest);
        float sum = 0.0f;
#pragma unroll
        for (int part = 0; part < PAGE_PARTS; ++part) {
#pragma unroll
            for (int at = 2 * of; at < 2 * of + 2; ++at) {
                const float share = none ? 0.0f : expf(scores[part][at] - largest);
                scores[part][at] = share;
                sum += share;
            }
        }
        sum += lane_xor(sum, 1);
        sum += lane_xor(sum, 2);
        softmax.largest[of] = largest;
        softmax.sum[of] = softmax.sum[of] * shrink[of] + sum;
    }
}

// Attention of all rows of a step: `queries` `[rows, heads, key_dim]`, a row `query_stride` floats behind the one before, `out` `[rows, heads, value_dim]`; pages, table, positions,
// window and soft cap as look.cu's `look`, sinks `[heads]` or null as its `join`. `sequence_of` `[rows]` is ascending.
//
// blockIdx: x a run of `64 / (heads / kv_heads)` rows, y head of keys. `DIM` ≥ key_dim, value_dim, multiples of 8; at most 64
// heads share one of keys. 128 threads; shared memory: `(64 · (DIM + 8) + 32 · (DIM + 8) + DIM · 40) · 2` bytes.
template <class Row, uint32_t DIM>
DEVICE void flash(const float* queries, uint32_t query_stride, const uint8_t* kept_keys, const uint8_t* kept_values, const uint32_t* pages,
                  uint32_t table, const uint32_t* sequence_of, const uint32_t* positions, uint32_t rows, float scale,
                  float softcap, uint32_t window, uint32_t heads, uint32_t kv_heads, uint32_t key_dim, uint32_t value_dim,
                  const float* sinks, float* out) {
    constexpr uint32_t WORDS = (DIM + PADDING) / 2;
    uint32_t* query = reinterpret_cast<uint32_t*>(shared_floats());
    uint32_t* keys = query + QUERIES * WORDS;
    uint16_t* values = reinterpret_cast<uint16_t*>(keys + PAGE * WORDS);
    const uint32_t shared = heads / kv_heads, rows_here = QUERIES / shared, head = blockIdx.y;
    const uint32_t first_row = blockIdx.x * rows_here, end_row = first_row + rows_here < rows ? first_row + rows_here : rows;
    for (uint32_t at = threadIdx.x; at < QUERIES * (DIM / 2); at += FLASH_THREADS) {
        const uint32_t of = at / (DIM / 2), element = at % (DIM / 2) * 2, row = first_row + of / shared;
        uint32_t pair = 0;
        if (of < rows_here * shared && row < end_row && element < key_dim) {
            const float* from =
                queries + static_cast<size_t>(row) * query_stride + (head * shared + of % shared) * key_dim + element;
            pair = two_halves(as_half(from[0] * scale), as_half(from[1] * scale));
        }
        query[of * WORDS + element / 2] = pair;
    }
    const uint32_t quad = static_cast<uint32_t>(lane()) / 4, in_quad = static_cast<uint32_t>(lane()) % 4;
    const uint32_t first_query = static_cast<uint32_t>(warp()) * WARP_QUERIES;
    // The row of each of the lane's two queries, its sequence, and the positions that it sees; of a query that is none, nothing.
    uint32_t row_of[2], sequence[2] = {NO_TILE, NO_TILE}, begin[2] = {}, end[2] = {};
    for (int of = 0; of < 2; ++of) {
        const uint32_t at = first_query + quad + static_cast<uint32_t>(of) * 8;
        row_of[of] = first_row + at / shared;
        if (at >= rows_here * shared || row_of[of] >= end_row) continue;
        sequence[of] = load4(sequence_of + row_of[of]);
        end[of] = load4(positions + row_of[of]) + 1;
        begin[of] = window == 0 || end[of] < window ? 0 : end[of] - window;
    }
    Softmax softmax = {{-INFINITY, -INFINITY}, {0.0f, 0.0f}};
    float sums[DIM / 8][4] = {};
    // One sequence after the other: as a rule there is one.
    for (uint32_t next = first_row; next < end_row;) {
        const uint32_t now = load4(sequence_of + next), least = load4(positions + next) + 1;
        uint32_t last = next;
        while (last + 1 < end_row && load4(sequence_of + last + 1) == now) ++last;
        const uint32_t most = load4(positions + last) + 1;
        next = last + 1;
        const uint32_t from = window == 0 || least < window ? 0 : least - window;
        for (uint32_t page = from / PAGE; page * PAGE < most; ++page) {
            const uint32_t base = page * PAGE;
            const size_t kept =
                (static_cast<size_t>(load4(pages + static_cast<size_t>(now) * table + page)) * kv_heads + head) * PAGE;
            block_barrier();
            fill_page<Row, DIM>(keys, values, kept_keys, kept_values, kept, most - base, key_dim, value_dim);
            block_barrier();
            float scores[PAGE_PARTS][4] = {};
#pragma unroll 4
            for (uint32_t step = 0; step < DIM / 16; ++step) {
                const uint32_t* a_row = query + (first_query + quad) * WORDS + step * 8 + in_quad;
                const uint32_t a[4] = {a_row[0], a_row[8 * WORDS], a_row[4], a_row[8 * WORDS + 4]};
#pragma unroll
                for (int part = 0; part < PAGE_PARTS; ++part) {
                    const uint32_t* b_row = keys + (static_cast<uint32_t>(part) * 8 + quad) * WORDS + step * 8 + in_quad;
                    const uint32_t b[2] = {b_row[0], b_row[4]};
                    mma_f16(scores[part], a, b);
                }
            }
#pragma unroll
            for (int part = 0; part < PAGE_PARTS; ++part) {
#pragma unroll
                for (int at = 0; at < 4; ++at) {
                    const uint32_t position = base + static_cast<uint32_t>(part * 8 + at % 2) + in_quad * 2;
                    const int of = at / 2;
                    const bool seen = sequence[of] == now && position >= begin[of] && position < end[of];
                    float score = scores[part][at];
                    if (softcap > 0.0f) score = softcap * tanhf(score / softcap);
                    scores[part][at] = seen ? score : -INFINITY;
                }
            }
            float shrink[2];
            take_scores(scores, softmax, shrink);
            uint32_t shares[2][4];
#pragma unroll
            for (int step = 0; step < 2; ++step) {
                shares[step][0] = two_halves(scores[2 * step][0], scores[2 * step][1]);
                shares[step][1] = two_halves(scores[2 * step][2], scores[2 * step][3]);
                shares[step][2] = two_halves(scores[2 * step + 1][0], scores[2 * step + 1][1]);
                shares[step][3] = two_halves(scores[2 * step + 1][2], scores[2 * step + 1][3]);
            }
#pragma unroll
            for (uint32_t part = 0; part < DIM / 8; ++part) {
                // Tensor cores cut their sums off where floats are rounded: none goes through them for longer than a page.
                float of_page[4] = {};
                const uint32_t* turned =
                    reinterpret_cast<const uint32_t*>(values + (part * 8 + quad) * (PAGE + PADDING)) + in_quad;
#pragma unroll
                for (int step = 0; step < 2; ++step) {
                    const uint32_t b[2] = {turned[step * 8], turned[step * 8 + 4]};
                    mma_f16(of_page, shares[step], b);
                }
#pragma unroll
                for (int at = 0; at < 4; ++at) sums[part][at] = sums[part][at] * shrink[at / 2] + of_page[at];
            }
        }
    }
#pragma unroll
    for (int of = 0; of < 2; ++of) {
        if (sequence[of] == NO_TILE) continue;
        const uint32_t in_head = head * shared + (first_query + quad + static_cast<uint32_t>(of) * 8) % shared;
        float total = softmax.sum[of], factor = 1.0f;
        if (sinks != nullptr) {
            const float largest = fmaxf(softmax.largest[of], sinks[in_head]);
            factor = expf(softmax.largest[of] - largest);
            total = total * factor + expf(sinks[in_head] - largest);
        }
        float* to = out + (static_cast<size_t>(row_of[of]) * heads + in_head) * value_dim;
#pragma unroll
        for (uint32_t part = 0; part < DIM / 8; ++part) {
            const uint32_t element = part * 8 + in_quad * 2;
            if (element < value_dim) to[element] = sums[part][2 * of] * factor / total;
            if (element + 1 < value_dim) to[element + 1] = sums[part][2 * of + 1] * factor / total;
        }
    }
}

#define FLASH(Row, name, DIM)                                                                                                \
    KERNEL(FLASH_THREADS)                                                                                                    \
    flash_##name##_##DIM(const float* queries, uint32_t query_stride, const uint8_t* kept_keys, const uint8_t* kept_values,  \
                         const uint32_t* pages, uint32_t table, const uint32_t* sequence_of, const uint32_t* positions,      \
                         uint32_t rows, float scale, float softcap, uint32_t window, uint32_t heads, uint32_t kv_heads,      \
                         uint32_t key_dim, uint32_t value_dim, const float* sinks, float* out) {                             \
        flash<Row, DIM>(queries, query_stride, kept_keys, kept_values, pages, table, sequence_of, positions, rows, scale,    \
                        softcap, window, heads, kv_heads, key_dim, value_dim, sinks, out);                                   \
    }
#define EACH_FLASH(DO) \
    DO(F16Row, f16, 64) DO(F16Row, f16, 128) DO(F16Row, f16, 256) DO(Q8Row, q8_0, 64) DO(Q8Row, q8_0, 128) DO(Q8Row, q8_0, 256)
EACH_FLASH(FLASH)

// The same as tiles.cu for matrices of plain floats. The tensor cores take floats of 10 bits (TF32), so each activation goes as two
// of them, its first bits and the rest, and so does each F32 weight; F16's and BF16's fit in one. What comes out is nearly as
// exact as sums of floats: about 21 bits of each factor. They cut their sums off where floats are rounded, so no sum goes through
// them for longer than a step.
// Before this one in the unit: weights.cu, with the types of floats, and tiles.cu.
#include "device.cuh"

constexpr uint32_t FLOAT_TILE_ROWS = 64, FLOAT_TILE_THREADS = 128;
// Columns that lie in shared memory at once, and floats of a row there, so that eight rows lie in different banks.
constexpr uint32_t FLOAT_STEP = 32, FLOAT_ROW = FLOAT_STEP + 4;

// The first 10 bits behind the point, which is what the tensor cores look at.
DEVICE float first_bits(float value) { return bits_to_float(float_to_bits(value) & 0xffffe000u); }

// Shapes and arguments as `tiles`, but weights as in the file, `[experts · rows, columns]`, and tokens as floats,
// `[tokens, columns]`. Four warps, each with 32 rows and 32 of 64 tokens. Grid: `(rows / 64 rounded up, tiles)`, 128 threads;
// shared memory: `128 · 36` floats.
template <class Weight, bool EXACT>
DEVICE void tiles_floats(const uint8_t* weights, const float* tokens, float* out, const float* bias, float factor, uint32_t rows,
                         uint32_t columns, uint32_t count, const uint32_t* order, const uint32_t* of_experts,
                         const uint32_t* offsets, uint32_t per_token) {
    float* of_rows = shared_floats();
    float* of_tokens = of_rows + FLOAT_TILE_ROWS * FLOAT_ROW;
    const uint32_t first_row = blockIdx.x * FLOAT_TILE_ROWS;
    Places places = {order, blockIdx.y * TILE_TOKENS, 0, per_token};
    uint32_t expert = 0, end = count;
    if (order != nullptr) {
        expert = load4(of_experts + 2 * blockIdx.y);
        // The same for all threads.
        if (expert == NO_TILE) return;
        places.first = load4(of_experts + 2 * blockIdx.y + 1);
        end = load4(offsets + expert + 1);
    }
    places.count = end - places.first < TILE_TOKENS ? end - places.first : TILE_TOKENS;
    const size_t first_of_all = static_cast<size_t>(expert) * rows + first_row;
    const uint32_t here = rows - first_row < FLOAT_TILE_ROWS ? rows - first_row : FLOAT_TILE_ROWS;
    const uint32_t quad = static_cast<uint32_t>(lane()) / 4, in_quad = static_cast<uint32_t>(lane()) % 4;
    const uint32_t row = static_cast<uint32_t>(warp()) % 2 * 32 + quad, token = static_cast<uint32_t>(warp()) / 2 * 32;
    float sums[ROW_PARTS][TOKEN_PARTS][4] = {};
    for (uint32_t first = 0; first < columns; first += FLOAT_STEP) {
        for (uint32_t at = threadIdx.x; at < FLOAT_TILE_ROWS * FLOAT_STEP; at += FLOAT_TILE_THREADS) {
            const uint32_t of = at / FLOAT_STEP, column = first + at % FLOAT_STEP;
            const bool inside = of < here && column < columns;
            of_rows[of * FLOAT_ROW + at % FLOAT_STEP] =
                inside ? Weight::at(weights, (first_of_all + of) * columns + column) : 0.0f;
        }
        for (uint32_t at = threadIdx.x; at < TILE_TOKENS * FLOAT_STEP; at += FLOAT_TILE_THREADS) {
            const uint32_t of = at / FLOAT_STEP, column = first + at % FLOAT_STEP;
            const bool inside = of < places.count && column < columns;
            of_tokens[of * FLOAT_ROW + at % FLOAT_STEP] =
                inside ? tokens[static_cast<size_t>(places.from(of)) * columns + column] : 0.0f;
        }
        block_barrier();
        // Warps without rows or tokens wait for the others.
        const bool works = static_cast<uint32_t>(warp()) % 2 * 32 < here && token < places.count;
        float parts[ROW_PARTS][TOKEN_PARTS][4] = {};
#pragma unroll 1
        for (uint32_t step = 0; works && step < FLOAT_STEP; step += 8) {
            float a[ROW_PARTS][4], rest[ROW_PARTS][4];
#pragma unroll
            for (int part = 0; part < ROW_PARTS; ++part) {
                const float* from = of_rows + (row + static_cast<uint32_t>(part) * 16) * FLOAT_ROW + step + in_quad;
                const float all[4] = {from[0], from[8 * FLOAT_ROW], from[4], from[8 * FLOAT_ROW + 4]};
#pragma unroll
                for (int at = 0; at < 4; ++at) {
                    a[part][at] = first_bits(all[at]);
                    rest[part][at] = all[at] - a[part][at];
                }
            }
#pragma unroll
            for (int part = 0; part < TOKEN_PARTS; ++part) {
                const uint32_t first_token = token + static_cast<uint32_t>(part) * 8;
                // The same for all lanes.
                if (first_token >= places.count) break;
                const float* from = of_tokens + (first_token + quad) * FLOAT_ROW + step + in_quad;
                const float b[2] = {first_bits(from[0]), first_bits(from[4])};
                const float b_rest[2] = {from[0] - b[0], from[4] - b[1]};
#pragma unroll
                for (int of = 0; of < ROW_PARTS; ++of) {
                    mma_tf32(parts[of][part], a[of], b_rest);
                    if constexpr (!EXACT) mma_tf32(parts[of][part], rest[of], b);
                    mma_tf32(parts[of][part], a[of], b);
                }
            }
        }
#pragma unroll
        for (int of = 0; of < ROW_PARTS; ++of) {
#pragma unroll
            for (int part = 0; part < TOKEN_PARTS; ++part) {
#pragma unroll
                for (int at = 0; at < 4; ++at) sums[of][part][at] += parts[of][part][at];
            }
        }
        block_barrier();
    }
#pragma unroll
    for (int rows_part = 0; rows_part < ROW_PARTS; ++rows_part) {
#pragma unroll
        for (int part = 0; part < TOKEN_PARTS; ++part) {
#pragma unroll
            for (int at = 0; at < 4; ++at) {
                const uint32_t of_row = row + static_cast<uint32_t>(rows_part * 16 + at / 2 * 8);
                const uint32_t of_token = token + static_cast<uint32_t>(part * 8 + at % 2) + in_quad * 2;
                if (of_row >= here || of_token >= places.count) continue;
                const float added = bias == nullptr ? 0.0f : bias[first_of_all + of_row];
                out[static_cast<size_t>(places.to(of_token)) * rows + first_row + of_row] =
                    factor * sums[rows_part][part][at] + added;
            }
        }
    }
}

#define TILES_FLOATS(Weight, name, EXACT)                                                                                   \
    KERNEL(FLOAT_TILE_THREADS)                                                                                              \
    tiles_##name(const uint8_t* weights, const float* tokens, float* out, const float* bias, float factor, uint32_t rows,   \
                 uint32_t columns, uint32_t count, const uint32_t* order, const uint32_t* of_experts,                       \
                 const uint32_t* offsets, uint32_t per_token) {                                                             \
        tiles_floats<Weight, EXACT>(weights, tokens, out, bias, factor, rows, columns, count, order, of_experts, offsets,   \
                                    per_token);                                                                             \
    }
TILES_FLOATS(F32Weight, f32, false)
TILES_FLOATS(F16Weight, f16, true)
TILES_FLOATS(BF16Weight, bf16, true)

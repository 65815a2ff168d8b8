// Matrices times many rows of activations: what reading a prompt does. Bound by arithmetic, so 8-bit products are the tensor cores'
// (`mma.sync`, whole numbers), and what scales them is applied to each group of 32 columns, as matvec.cu does.
//
// What a token gets depends neither on the tokens beside it nor on how many there are: sums go over the groups in their order.
// In the last bits it is not what matvec.cu gives, which sums in another order.
#include "formats.cuh"

// A block computes so many rows for so many tokens, with eight warps: four beside each other in rows, two in tokens.
constexpr uint32_t TILE_ROWS = 128, TILE_TOKENS = 64, TILE_THREADS = 256;
// Groups of columns that lie in shared memory at once.
constexpr uint32_t STEP = 4;
// 32-bit words of a row in shared memory: its codes and four more, so that eight rows lie in different banks.
constexpr uint32_t ROW_WORDS = STEP * GROUP / 4 + 4;
// A warp's own: two times 16 rows, four times 8 tokens.
constexpr int ROW_PARTS = 2, TOKEN_PARTS = 4;
// No tile of an expert: see `sort_choices`.
constexpr uint32_t NO_TILE = 0xffffffffu;

// What is read for a step of groups. Scales lie as four floats: those of the halves, then their offsets; for tokens the scale, the
// sums of both halves, nothing.
struct Tile {
    uint32_t* codes;
    float* scales;
    uint32_t* quants;
    float* sizes;
};

DEVICE Tile tile_in(float* shared) {
    Tile tile;
    tile.codes = reinterpret_cast<uint32_t*>(shared);
    tile.scales = reinterpret_cast<float*>(tile.codes + TILE_ROWS * ROW_WORDS);
    tile.quants = reinterpret_cast<uint32_t*>(tile.scales + TILE_ROWS * STEP * 4);
    tile.sizes = reinterpret_cast<float*>(tile.quants + TILE_TOKENS * ROW_WORDS);
    return tile;
}

// Weights of groups `[first, first + STEP)`, unpacked. What is outside of the matrix is zero.
template <class Format>
DEVICE void fill_weights(const Tile& tile, const Planes<Format>& matrix, size_t first_row, uint32_t rows, uint32_t first,
                         uint32_t groups) {
    for (uint32_t at = threadIdx.x; at < TILE_ROWS * STEP; at += TILE_THREADS) {
        const uint32_t row = at / STEP, step = at % STEP;
        Group group = {};
        if (row < rows && first + step < groups) group = matrix.group((first_row + row) * groups + first + step);
        uint32_t* to = tile.codes + row * ROW_WORDS + step * (GROUP / 4);
        for (int word = 0; word < 8; ++word) to[word] = static_cast<uint32_t>(group.code[word]);
        float* scales = tile.scales + at * 4;
        scales[0] = group.scale[0];
        scales[1] = group.scale[1];
        scales[2] = group.offset[0];
        scales[3] = group.offset[1];
    }
}

// Which row of activations a token of the tile is, and which row of the result. Tokens of experts are choices.
struct Places {
    const uint32_t* order;
    uint32_t first, count, per_token;
    DEVICE uint32_t to(uint32_t token) const { return order == nullptr ? first + token : load4(order + first + token); }
    DEVICE uint32_t from(uint32_t token) const { return order == nullptr ? first + token : to(token) / per_token; }
};

DEVICE void fill_tokens(const Tile& tile, const Places& places, const int8_t* quants, const float* scales, uint32_t first,
                        uint32_t groups) {
    for (uint32_t at = threadIdx.x; at < TILE_TOKENS * STEP; at += TILE_THREADS) {
        const uint32_t token = at / STEP, step = at % STEP;
        Quad low = {}, high = {}, size = {};
        if (token < places.count && first + step < groups) {
            const size_t place = static_cast<size_t>(places.from(token)) * groups + first + step;
            low = load16(quants + place * GROUP);
            high = load16(quants + place * GROUP + 16);
            size = load16(scales + place * 4);
        }
        uint32_t* to = tile.quants + token * ROW_WORDS + step * (GROUP / 4);
        for (int word = 0; word < 4; ++word) {
            to[word] = low.word[word];
            to[word + 4] = high.word[word];
            tile.sizes[at * 4 + word] = bits_to_float(size.word[word]);
        }
    }
}

// What one group adds to the four results of a lane in a part of 16 rows and 8 tokens.
template <class Format>
DEVICE void add_group(const Tile& tile, const int (&a)[4], const int (&b)[2], uint32_t row, uint32_t token, uint32_t step,
                      float (&sums)[4]) {
    int whole[4] = {}, second[4] = {};
    if constexpr (Format::HALVES) {
        mma_s8_k16(whole, a[0], a[1], b[0]);
        mma_s8_k16(second, a[2], a[3], b[1]);
    } else {
        mma_s8_k32(whole, a, b);
    }
#pragma unroll
    for (int at = 0; at < 4; ++at) {
        const float* scales = tile.scales + ((row + static_cast<uint32_t>(at / 2 * 8)) * STEP + step) * 4;
        const float* sizes = tile.sizes + ((token + static_cast<uint32_t>(at % 2)) * STEP + step) * 4;
        if constexpr (Format::HALVES) {
            const float codes = scales[0] * static_cast<float>(whole[at]) + scales[1] * static_cast<float>(second[at]);
            sums[at] += sizes[0] * codes - scales[2] * sizes[1] - scales[3] * sizes[2];
        } else {
            sums[at] += sizes[0] * (scales[0] * static_cast<float>(whole[at])) - scales[2] * (sizes[1] + sizes[2]);
        }
    }
}

// `out[token, row] = factor · Σ w[row, column] · x[token, column] + bias[row]`, as matvec.cu's `multiply`.
//
// Without `order`: tokens 0 to `count`, blockIdx.y a tile of them. With it, blockIdx.y is a tile of `tiles` (`[.., 2]`: which
// expert, and where its choices begin in `order`; routing.cu): choice `order[i]` takes row `order[i] / per_token` of the
// activations through rows of its expert into row `order[i]` of `out`, as far as `offsets[expert + 1]`.
// Shapes: quants `[tokens, columns]`, scales `[tokens, columns / 32, 4]`, out `[tokens or choices, rows]`, bias
// `[experts, rows]` or null. Grid: `(rows / 128 rounded up, tiles)`, 256 threads; shared memory: `TILE_BYTES`.
template <class Format>
DEVICE void tiles(const uint8_t* planes, uint64_t all, const int8_t* quants, const float* scales, float* out, const float* bias,
                  float factor, uint32_t rows, uint32_t columns, uint32_t count, const uint32_t* order, const uint32_t* of_experts,
                  const uint32_t* offsets, uint32_t per_token) {
    const Planes<Format> matrix(planes, all);
    const Tile tile = tile_in(shared_floats());
    const uint32_t groups = columns / GROUP, first_row = blockIdx.x * TILE_ROWS;
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
    const uint32_t here = rows - first_row < TILE_ROWS ? rows - first_row : TILE_ROWS;
    const uint32_t quad = static_cast<uint32_t>(lane()) / 4, in_quad = static_cast<uint32_t>(lane()) % 4;
    const uint32_t row = static_cast<uint32_t>(warp()) % 4 * 32 + quad, token = static_cast<uint32_t>(warp()) / 4 * 32;
    float sums[ROW_PARTS][TOKEN_PARTS][4] = {};
    for (uint32_t first = 0; first < groups; first += STEP) {
        fill_weights(tile, matrix, first_of_all, here, first, groups);
        fill_tokens(tile, places, quants, scales, first, groups);
        block_barrier();
#pragma unroll 1
        for (uint32_t step = 0; step < STEP; ++step) {
            int a[ROW_PARTS][4];
#pragma unroll
            for (int part = 0; part < ROW_PARTS; ++part) {
                const uint32_t* codes = tile.codes + (row + static_cast<uint32_t>(part) * 16) * ROW_WORDS + step * 8 + in_quad;
                a[part][0] = static_cast<int>(codes[0]);
                a[part][1] = static_cast<int>(codes[8 * ROW_WORDS]);
                a[part][2] = static_cast<int>(codes[4]);
                a[part][3] = static_cast<int>(codes[8 * ROW_WORDS + 4]);
            }
#pragma unroll
            for (int part = 0; part < TOKEN_PARTS; ++part) {
                const uint32_t first_token = token + static_cast<uint32_t>(part) * 8;
                // The same for all lanes.
                if (first_token >= places.count) break;
                const uint32_t* words = tile.quants + (first_token + quad) * ROW_WORDS + step * 8 + in_quad;
                const int b[2] = {static_cast<int>(words[0]), static_cast<int>(words[4])};
#pragma unroll
                for (int rows_part = 0; rows_part < ROW_PARTS; ++rows_part)
                    add_group<Format>(tile, a[rows_part], b, row + static_cast<uint32_t>(rows_part) * 16,
                                      first_token + in_quad * 2, step, sums[rows_part][part]);
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

#define TILES(Format, name)                                                                                                   \
    KERNEL(TILE_THREADS)                                                                                                      \
    tiles_##name(const uint8_t* planes, uint64_t all, const int8_t* quants, const float* scales, float* out,                  \
                 const float* bias, float factor, uint32_t rows, uint32_t columns, uint32_t count, const uint32_t* order,     \
                 const uint32_t* of_experts, const uint32_t* offsets, uint32_t per_token) {                                   \
        tiles<Format>(planes, all, quants, scales, out, bias, factor, rows, columns, count, order, of_experts, offsets,       \
                      per_token);                                                                                             \
    }
EACH_FORMAT(TILES)

// Weights on their way to the device, and one row back.
#include "formats.cuh"

// Blocks as they lie in the file into planes. `blocks`: `[groups · 32 / BLOCK, BLOCK_BYTES]`, all of one matrix or a run of
// it that begins with group `first`; `planes` is the whole matrix, of `all` groups. A thread for each group.
template <class Format>
DEVICE void spread_blocks(const uint8_t* blocks, uint8_t* planes, uint64_t all, uint64_t first, uint64_t groups) {
    const uint64_t at = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= groups) return;
    constexpr uint64_t PER_BLOCK = Format::BLOCK / GROUP;
    write_group<Format>(blocks + at / PER_BLOCK * Format::BLOCK_BYTES, planes, all, first + at);
}

// Rows `ids` of a matrix as floats, times `factor`: `out` is `[rows of the grid, columns]`. A block for each row.
template <class Format>
DEVICE void embed_rows(const uint8_t* planes, uint64_t all, uint32_t columns, const uint32_t* ids, float factor, float* out) {
    const Planes<Format> matrix(planes, all);
    const uint32_t groups = columns / GROUP;
    for (uint32_t at = threadIdx.x; at < groups; at += blockDim.x) {
        const Group group = matrix.group(static_cast<size_t>(load4(ids + blockIdx.x)) * groups + at);
        float* to = out + static_cast<size_t>(blockIdx.x) * columns + at * GROUP;
        for (int column = 0; column < GROUP; ++column) {
            const int code = static_cast<int8_t>(byte_of(static_cast<uint32_t>(group.code[column / 4]), column % 4));
            to[column] = factor * (group.scale[column / 16] * static_cast<float>(code) - group.offset[column / 16]);
        }
    }
}

#define WEIGHTS(Format, name)                                                                                            \
    KERNEL(256) spread_##name(const uint8_t* blocks, uint8_t* planes, uint64_t all, uint64_t first, uint64_t groups) {   \
        spread_blocks<Format>(blocks, planes, all, first, groups);                                                       \
    }                                                                                                                    \
    KERNEL(256) embed_##name(const uint8_t* planes, uint64_t all, uint32_t columns, const uint32_t* ids, float factor,   \
                             float* out) {                                                                               \
        embed_rows<Format>(planes, all, columns, ids, factor, out);                                                      \
    }
EACH_FORMAT(WEIGHTS)

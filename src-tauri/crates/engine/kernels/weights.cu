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

// The same for matrices of plain floats, which lie as in the file: F32, F16 and BF16.
struct F32Weight {
    static DEVICE float at(const uint8_t* weights, size_t element) { return bits_to_float(load4(weights + 4 * element)); }
};
struct F16Weight {
    static DEVICE float at(const uint8_t* weights, size_t element) { return from_half(load2(weights + 2 * element)); }
};
struct BF16Weight {
    static DEVICE float at(const uint8_t* weights, size_t element) {
        return bits_to_float(static_cast<uint32_t>(load2(weights + 2 * element)) << 16);
    }
};

template <class Weight>
DEVICE void embed_floats(const uint8_t* weights, uint32_t columns, const uint32_t* ids, float factor, float* out) {
    const size_t from = static_cast<size_t>(load4(ids + blockIdx.x)) * columns, to = static_cast<size_t>(blockIdx.x) * columns;
    for (uint32_t at = threadIdx.x; at < columns; at += blockDim.x) out[to + at] = factor * Weight::at(weights, from + at);
}

// Rows `ids` of `from`, `[.., columns]`, into `out`. A block for each.
KERNEL(256) take_rows(const float* from, const uint32_t* ids, float* out, uint32_t columns) {
    const size_t row = static_cast<size_t>(load4(ids + blockIdx.x)) * columns, to = static_cast<size_t>(blockIdx.x) * columns;
    for (uint32_t at = threadIdx.x; at < columns; at += blockDim.x) out[to + at] = from[row + at];
}

#define EMBED_FLOATS(Weight, name)                                                                                       \
    KERNEL(256) embed_##name(const uint8_t* weights, uint32_t columns, const uint32_t* ids, float factor, float* out) {  \
        embed_floats<Weight>(weights, columns, ids, factor, out);                                                        \
    }
EMBED_FLOATS(F32Weight, f32)
EMBED_FLOATS(F16Weight, f16)
EMBED_FLOATS(BF16Weight, bf16)

#define WEIGHTS(Format, name)                                                                                            \
    KERNEL(256) spread_##name(const uint8_t* blocks, uint8_t* planes, uint64_t all, uint64_t first, uint64_t groups) {   \
        spread_blocks<Format>(blocks, planes, all, first, groups);                                                       \
    }                                                                                                                    \
    KERNEL(256) embed_##name(const uint8_t* planes, uint64_t all, uint32_t columns, const uint32_t* ids, float factor,   \
                             float* out) {                                                                               \
        embed_rows<Format>(planes, all, columns, ids, factor, out);                                                      \
    }
EACH_FORMAT(WEIGHTS)

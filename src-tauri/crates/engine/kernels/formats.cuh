// Quantized weights on the device: GGUF's numbers, to the bit, lying so that 32 lanes read 512 neighbouring bytes.
//
// A file's blocks have scales and codes in one run of 18, 34, 144, 210 bytes, which no lane can load at once. On the device
// a matrix `[rows, columns]` is three planes, each row after row, each plane on a 16-byte border:
//   low    the low bits of the codes of 32 neighbouring columns (a *group*): 8, 16 or 32 bytes
//   high   their other bits, where there are any: 4 or 8 bytes a group
//   heads  what scales them: some bytes for one group or for eight
// It has as many bytes as in the file (Q3_K: 4 % more), so a token reads no more than the file's size.
// A weight is `scale · code − offset`; scale and offset hold for 16 or 32 columns. Source of each block's layout: ggml's
// documentation of GGUF's types; `files/dequant/` has the same in Rust, and the tests hold the two together.
#pragma once
#include "device.cuh"

constexpr int GROUP = 32;

// The codes of a group, four to a word in the order of the columns, and what scales its halves.
struct Group {
    int code[8];
    float scale[2];
    float offset[2];
};

DEVICE size_t on_border(size_t bytes) { return (bytes + 15) / 16 * 16; }
DEVICE uint32_t byte_of(uint32_t word, int at) { return word >> 8 * at & 255; }
// Four bits into the lowest bits of four bytes.
DEVICE uint32_t spread(uint32_t bits) { return ((bits & 15) * 0x00204081u) & 0x01010101u; }
DEVICE float half_at(const uint8_t* from) { return from_half(load2(from)); }

// The planes of a matrix of this format.
template <class Format> struct Planes {
    static constexpr int LOW_BYTES = GROUP * Format::LOW_BITS / 8;
    static constexpr int HIGH_BYTES = GROUP * Format::HIGH_BITS / 8;
    const uint8_t* low;
    const uint8_t* high;
    const uint8_t* heads;

    DEVICE Planes(const uint8_t* start, size_t groups)
        : low(start),
          high(start + on_border(groups * LOW_BYTES)),
          heads(high + on_border(groups * HIGH_BYTES)) {}

    // Group `at` of all groups of the matrix, row after row.
    DEVICE Group group(size_t at) const {
        Group group;
        read_low(low + at * LOW_BYTES, group.code);
        if constexpr (HIGH_BYTES > 0) add_high(high + at * HIGH_BYTES, group.code);
        if constexpr (Format::CODEBOOK) {
            for (int& code : group.code) code = Format::value(code);
        }
        const uint8_t* head = heads + at / Format::HEAD_GROUPS * Format::HEAD_BYTES;
        Format::scales(head, static_cast<int>(at % Format::HEAD_GROUPS), group);
        return group;
    }

   private:
    static DEVICE void read_low(const uint8_t* from, int* code) {
        if constexpr (Format::LOW_BITS == 8) {
            const Quad first = load16(from), second = load16(from + 16);
            for (int at = 0; at < 4; ++at) {
                code[at] = static_cast<int>(first.word[at]);
                code[at + 4] = static_cast<int>(second.word[at]);
            }
        } else if constexpr (Format::LOW_BITS == 4) {
            const Quad all = load16(from);
            for (int at = 0; at < 4; ++at) {
                code[at] = static_cast<int>(all.word[at] & 0x0f0f0f0fu);
                code[at + 4] = static_cast<int>(all.word[at] >> 4 & 0x0f0f0f0fu);
            }
        } else {
            const Pair all = load8(from);
            for (int at = 0; at < 8; ++at) code[at] = static_cast<int>(all.word[at / 4] >> 2 * (at % 4) & 0x03030303u);
        }
    }
    static DEVICE void add_high(const uint8_t* from, int* code) {
        if constexpr (Format::HIGH_BITS == 1) {
            const uint32_t bits = load4(from);
            for (int at = 0; at < 8; ++at) code[at] |= static_cast<int>(spread(bits >> 4 * at) << Format::LOW_BITS);
        } else {
            const Pair all = load8(from);
            for (int at = 0; at < 8; ++at) {
                const uint32_t bits = all.word[at / 4] >> 2 * (at % 4) & 0x03030303u;
                code[at] |= static_cast<int>(bits << Format::LOW_BITS);
            }
        }
    }
};

// The same for writing: one group out of a file's block. `at` as in `Planes::group`.
template <class Format> DEVICE void write_group(const uint8_t* block, uint8_t* start, size_t groups, size_t at) {
    constexpr int LOW_BYTES = Planes<Format>::LOW_BYTES, HIGH_BYTES = Planes<Format>::HIGH_BYTES;
    uint8_t* low = start + at * LOW_BYTES;
    uint8_t* high = start + on_border(groups * LOW_BYTES) + at * HIGH_BYTES;
    uint8_t* heads = start + on_border(groups * LOW_BYTES) + on_border(groups * HIGH_BYTES);
    const int first = static_cast<int>(at % (Format::BLOCK / GROUP)) * GROUP;
    for (int byte = 0; byte < LOW_BYTES; ++byte) low[byte] = 0;
    for (int byte = 0; byte < HIGH_BYTES; ++byte) high[byte] = 0;
    for (int column = 0; column < GROUP; ++column) {
        const uint32_t code = Format::code(block, first + column);
        // Two bits lie in the order that `read_low` takes four columns at a time in.
        const int pairs = column / 16 * 4 + column % 4, shift = column / 4 % 4 * 2;
        if constexpr (Format::LOW_BITS == 8) low[column] = static_cast<uint8_t>(code);
        if constexpr (Format::LOW_BITS == 4) low[column % 16] |= static_cast<uint8_t>((code & 15) << column / 16 * 4);
        if constexpr (Format::LOW_BITS == 2) low[pairs] |= static_cast<uint8_t>((code & 3) << shift);
        const uint32_t rest = code >> Format::LOW_BITS;
        if constexpr (Format::HIGH_BITS == 1) high[column / 8] |= static_cast<uint8_t>(rest << column % 8);
        if constexpr (Format::HIGH_BITS == 2) high[pairs] |= static_cast<uint8_t>(rest << shift);
    }
    if (at % Format::HEAD_GROUPS == 0) Format::head(block, heads + at / Format::HEAD_GROUPS * Format::HEAD_BYTES);
}

DEVICE void copy_bytes(const uint8_t* from, uint8_t* to, int count) {
    for (int at = 0; at < count; ++at) to[at] = from[at];
}
DEVICE void both_halves(Group& group, float scale, float offset) {
    group.scale[0] = group.scale[1] = scale;
    group.offset[0] = group.offset[1] = offset;
}
// The nibble of a column in 16 bytes: first the low ones.
DEVICE uint32_t nibble(const uint8_t* bytes, int column) { return bytes[column % 16] >> column / 16 * 4 & 15; }
DEVICE uint32_t bit(const uint8_t* bytes, int column) { return bytes[column / 8] >> column % 8 & 1; }

// 32 columns, 18 bytes: scale, nibbles. Codes are 8 too large.
struct Q4_0 {
    static constexpr int BLOCK = 32, BLOCK_BYTES = 18, LOW_BITS = 4, HIGH_BITS = 0, HEAD_GROUPS = 1, HEAD_BYTES = 2;
    static constexpr bool CODEBOOK = false, HALVES = false;
    static DEVICE uint32_t code(const uint8_t* block, int column) { return nibble(block + 2, column); }
    static DEVICE void head(const uint8_t* block, uint8_t* to) { copy_bytes(block, to, 2); }
    static DEVICE void scales(const uint8_t* head, int, Group& group) {
        const float scale = half_at(head);
        both_halves(group, scale, 8.0f * scale);
    }
};

// 32 columns, 20 bytes: scale, minimum, nibbles.
struct Q4_1 {
    static constexpr int BLOCK = 32, BLOCK_BYTES = 20, LOW_BITS = 4, HIGH_BITS = 0, HEAD_GROUPS = 1, HEAD_BYTES = 4;
    static constexpr bool CODEBOOK = false, HALVES = false;
    static DEVICE uint32_t code(const uint8_t* block, int column) { return nibble(block + 4, column); }
    static DEVICE void head(const uint8_t* block, uint8_t* to) { copy_bytes(block, to, 4); }
    static DEVICE void scales(const uint8_t* head, int, Group& group) { both_halves(group, half_at(head), -half_at(head + 2)); }
};

// 32 columns, 22 bytes: scale, fifth bits, nibbles. Codes are 16 too large.
struct Q5_0 {
    static constexpr int BLOCK = 32, BLOCK_BYTES = 22, LOW_BITS = 4, HIGH_BITS = 1, HEAD_GROUPS = 1, HEAD_BYTES = 2;
    static constexpr bool CODEBOOK = false, HALVES = false;
    static DEVICE uint32_t code(const uint8_t* block, int column) {
        return nibble(block + 6, column) | bit(block + 2, column) << 4;
    }
    static DEVICE void head(const uint8_t* block, uint8_t* to) { copy_bytes(block, to, 2); }
    static DEVICE void scales(const uint8_t* head, int, Group& group) {
        const float scale = half_at(head);
        both_halves(group, scale, 16.0f * scale);
    }
};

// 32 columns, 24 bytes: scale, minimum, fifth bits, nibbles.
struct Q5_1 {
    static constexpr int BLOCK = 32, BLOCK_BYTES = 24, LOW_BITS = 4, HIGH_BITS = 1, HEAD_GROUPS = 1, HEAD_BYTES = 4;
    static constexpr bool CODEBOOK = false, HALVES = false;
    static DEVICE uint32_t code(const uint8_t* block, int column) {
        return nibble(block + 8, column) | bit(block + 4, column) << 4;
    }
    static DEVICE void head(const uint8_t* block, uint8_t* to) { copy_bytes(block, to, 4); }
    static DEVICE void scales(const uint8_t* head, int, Group& group) { both_halves(group, half_at(head), -half_at(head + 2)); }
};

// 32 columns, 34 bytes: scale, signed bytes.
struct Q8_0 {
    static constexpr int BLOCK = 32, BLOCK_BYTES = 34, LOW_BITS = 8, HIGH_BITS = 0, HEAD_GROUPS = 1, HEAD_BYTES = 2;
    static constexpr bool CODEBOOK = false, HALVES = false;
    static DEVICE uint32_t code(const uint8_t* block, int column) { return block[2 + column]; }
    static DEVICE void head(const uint8_t* block, uint8_t* to) { copy_bytes(block, to, 2); }
    static DEVICE void scales(const uint8_t* head, int, Group& group) { both_halves(group, half_at(head), 0.0f); }
};

// Scale and minimum of one of eight groups, 6 bits each: Q4_K's and Q5_K's twelve bytes.
DEVICE void six_bits(const uint8_t* packed, int group, uint32_t& scale, uint32_t& least) {
    if (group < 4) {
        scale = load1(packed + group) & 63u;
        least = load1(packed + group + 4) & 63u;
    } else {
        const uint32_t both = load1(packed + group + 4);
        scale = (both & 15u) | load1(packed + group - 4) >> 6 << 4;
        least = both >> 4 | load1(packed + group) >> 6 << 4;
    }
}
DEVICE void scales_of_k(const uint8_t* head, int group, Group& to) {
    uint32_t scale, least;
    six_bits(head + 4, group, scale, least);
    both_halves(to, half_at(head) * static_cast<float>(scale), half_at(head + 2) * static_cast<float>(least));
}

// 256 columns, 144 bytes: scale, scale of minima, 12 bytes of both for eight groups, nibbles: two groups in 32 bytes.
struct Q4_K {
    static constexpr int BLOCK = 256, BLOCK_BYTES = 144, LOW_BITS = 4, HIGH_BITS = 0, HEAD_GROUPS = 8, HEAD_BYTES = 16;
    static constexpr bool CODEBOOK = false, HALVES = false;
    static DEVICE uint32_t code(const uint8_t* block, int column) {
        return block[16 + column / 64 * 32 + column % 32] >> column / 32 % 2 * 4 & 15;
    }
    static DEVICE void head(const uint8_t* block, uint8_t* to) { copy_bytes(block, to, 16); }
    static DEVICE void scales(const uint8_t* head, int group, Group& to) { scales_of_k(head, group, to); }
};

// 256 columns, 176 bytes: as Q4_K with 32 bytes of fifth bits before the nibbles: bit `g` of byte `i` is column `32g + i`'s.
struct Q5_K {
    static constexpr int BLOCK = 256, BLOCK_BYTES = 176, LOW_BITS = 4, HIGH_BITS = 1, HEAD_GROUPS = 8, HEAD_BYTES = 16;
    static constexpr bool CODEBOOK = false, HALVES = false;
    static DEVICE uint32_t code(const uint8_t* block, int column) {
        const uint32_t low = block[48 + column / 64 * 32 + column % 32] >> column / 32 % 2 * 4 & 15;
        return low | (block[16 + column % 32] >> column / 32 & 1) << 4;
    }
    static DEVICE void head(const uint8_t* block, uint8_t* to) { copy_bytes(block, to, 16); }
    static DEVICE void scales(const uint8_t* head, int group, Group& to) { scales_of_k(head, group, to); }
};

// What scales a group of Q6_K and Q3_K: 16 signed bytes, one for each 16 columns, then a half. Codes are `zero` too large.
DEVICE void scales_of_sixteen(const uint8_t* head, int group, float zero, Group& to) {
    const float all = half_at(head + 16);
    for (int half = 0; half < 2; ++half) {
        to.scale[half] = all * static_cast<float>(static_cast<int8_t>(load1(head + 2 * group + half)));
        to.offset[half] = zero * to.scale[half];
    }
}

// 256 columns, 210 bytes: low nibbles, high pairs of bits (both in halves of 128 columns), 16 scales, scale of scales.
struct Q6_K {
    static constexpr int BLOCK = 256, BLOCK_BYTES = 210, LOW_BITS = 4, HIGH_BITS = 2, HEAD_GROUPS = 8, HEAD_BYTES = 18;
    static constexpr bool CODEBOOK = false, HALVES = true;
    static DEVICE uint32_t code(const uint8_t* block, int column) {
        const int half = column / 128, quarter = column / 32 % 4, at = column % 32;
        const uint32_t low = block[half * 64 + quarter % 2 * 32 + at] >> quarter / 2 * 4 & 15;
        return low | (block[128 + half * 32 + at] >> 2 * quarter & 3) << 4;
    }
    static DEVICE void head(const uint8_t* block, uint8_t* to) { copy_bytes(block + 192, to, 18); }
    static DEVICE void scales(const uint8_t* head, int group, Group& to) { scales_of_sixteen(head, group, 32.0f, to); }
};

// 256 columns, 84 bytes: 16 bytes with a scale and a minimum of 4 bits, pairs of bits, scale of scales, scale of minima.
struct Q2_K {
    static constexpr int BLOCK = 256, BLOCK_BYTES = 84, LOW_BITS = 2, HIGH_BITS = 0, HEAD_GROUPS = 8, HEAD_BYTES = 20;
    static constexpr bool CODEBOOK = false, HALVES = true;
    static DEVICE uint32_t code(const uint8_t* block, int column) {
        return block[16 + column / 128 * 32 + column % 32] >> column / 32 % 4 * 2 & 3;
    }
    static DEVICE void head(const uint8_t* block, uint8_t* to) {
        copy_bytes(block, to, 16);
        copy_bytes(block + 80, to + 16, 4);
    }
    static DEVICE void scales(const uint8_t* head, int group, Group& to) {
        const float scale = half_at(head + 16), least = half_at(head + 18);
        for (int half = 0; half < 2; ++half) {
            const uint32_t both = load1(head + 2 * group + half);
            to.scale[half] = scale * static_cast<float>(both & 15);
            to.offset[half] = least * static_cast<float>(both >> 4);
        }
    }
};

// 256 columns, 110 bytes: third bits, pairs of bits, 16 scales of 6 bits in 12 bytes, scale of scales. Codes are 4 too large,
// scales 32. The scales lie unpacked on the device.
struct Q3_K {
    static constexpr int BLOCK = 256, BLOCK_BYTES = 110, LOW_BITS = 2, HIGH_BITS = 1, HEAD_GROUPS = 8, HEAD_BYTES = 18;
    static constexpr bool CODEBOOK = false, HALVES = true;
    static DEVICE uint32_t code(const uint8_t* block, int column) {
        const uint32_t low = block[32 + column / 128 * 32 + column % 32] >> column / 32 % 4 * 2 & 3;
        return low | (block[column % 32] >> column / 32 & 1) << 2;
    }
    static DEVICE void head(const uint8_t* block, uint8_t* to) {
        for (int at = 0; at < 16; ++at) {
            const uint32_t low = block[96 + at % 8] >> at / 8 * 4 & 15, high = block[104 + at % 4] >> at / 4 * 2 & 3;
            to[at] = static_cast<uint8_t>((low | high << 4) - 32);
        }
        copy_bytes(block + 108, to + 16, 2);
    }
    static DEVICE void scales(const uint8_t* head, int group, Group& to) { scales_of_sixteen(head, group, 4.0f, to); }
};

// Four codes of 4 bits, each in a byte, by a table of 16 signed bytes.
DEVICE int look_up(int codes, uint32_t t0, uint32_t t1, uint32_t t2, uint32_t t3) {
    const uint32_t four = static_cast<uint32_t>(codes);
    const uint32_t two = (four | four >> 4) & 0x00ff00ffu, selector = (two | two >> 8) & 0x7777u;
    const uint32_t upper = (four >> 3 & 0x01010101u) * 255u;
    return static_cast<int>((pick_bytes(t0, t1, selector) & ~upper) | (pick_bytes(t2, t3, selector) & upper));
}

// 32 columns, 17 bytes: a power of two (OCP's E8M0), nibbles that stand for 0 0.5 1 1.5 2 3 4 6 and their negatives.
struct MXFP4 {
    static constexpr int BLOCK = 32, BLOCK_BYTES = 17, LOW_BITS = 4, HIGH_BITS = 0, HEAD_GROUPS = 1, HEAD_BYTES = 1;
    static constexpr bool CODEBOOK = true, HALVES = false;
    static DEVICE uint32_t code(const uint8_t* block, int column) { return nibble(block + 1, column); }
    static DEVICE void head(const uint8_t* block, uint8_t* to) { to[0] = block[0]; }
    // Doubled, so that all are whole.
    static DEVICE int value(int codes) { return look_up(codes, 0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu); }
    static DEVICE void scales(const uint8_t* head, int, Group& group) {
        const uint32_t power = load1(head);
        // 2^(power − 128); the two smallest are subnormal.
        const float scale = bits_to_float(power < 2 ? 0x00200000u << power : (power - 1) << 23);
        both_halves(group, scale, 0.0f);
    }
};

// 32 columns, 18 bytes: scale, nibbles that name one of 16 values.
struct IQ4_NL {
    static constexpr int BLOCK = 32, BLOCK_BYTES = 18, LOW_BITS = 4, HIGH_BITS = 0, HEAD_GROUPS = 1, HEAD_BYTES = 2;
    static constexpr bool CODEBOOK = true, HALVES = false;
    static DEVICE uint32_t code(const uint8_t* block, int column) { return nibble(block + 2, column); }
    static DEVICE void head(const uint8_t* block, uint8_t* to) { copy_bytes(block, to, 2); }
    // −127 −104 −83 −65 −49 −35 −22 −10 1 13 25 38 53 69 89 113
    static DEVICE int value(int codes) { return look_up(codes, 0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u); }
    static DEVICE void scales(const uint8_t* head, int, Group& group) { both_halves(group, half_at(head), 0.0f); }
};

// 256 columns, 136 bytes: scale, high bits of eight scales, their low bits, IQ4_NL's nibbles group after group.
struct IQ4_XS {
    static constexpr int BLOCK = 256, BLOCK_BYTES = 136, LOW_BITS = 4, HIGH_BITS = 0, HEAD_GROUPS = 8, HEAD_BYTES = 8;
    static constexpr bool CODEBOOK = true, HALVES = false;
    static DEVICE uint32_t code(const uint8_t* block, int column) {
        return nibble(block + 8 + column / 32 * 16, column % 32);
    }
    static DEVICE void head(const uint8_t* block, uint8_t* to) { copy_bytes(block, to, 8); }
    static DEVICE int value(int codes) { return IQ4_NL::value(codes); }
    static DEVICE void scales(const uint8_t* head, int group, Group& to) {
        const uint32_t low = load1(head + 4 + group / 2) >> group % 2 * 4 & 15u;
        const uint32_t high = load2(head + 2) >> 2 * group & 3u;
        both_halves(to, half_at(head) * static_cast<float>(static_cast<int>(low | high << 4) - 32), 0.0f);
    }
};

// Calls a macro with each format.
#define EACH_FORMAT(DO) \
    DO(Q4_0, q4_0) DO(Q4_1, q4_1) DO(Q5_0, q5_0) DO(Q5_1, q5_1) DO(Q8_0, q8_0) DO(Q2_K, q2_k) DO(Q3_K, q3_k) DO(Q4_K, q4_k) \
    DO(Q5_K, q5_k) DO(Q6_K, q6_k) DO(MXFP4, mxfp4) DO(IQ4_NL, iq4_nl) DO(IQ4_XS, iq4_xs)

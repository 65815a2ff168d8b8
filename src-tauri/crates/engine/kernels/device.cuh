// What the kernels ask of the machine that they run on, and nothing else: thread numbers, shared memory, shuffles, the few
// instructions without a name in C++. nvcc takes it for GPUs; any other C++ compiler takes `on-host/machine.h`, which runs
// the same kernels on the CPU, thread by thread, and stops at what a GPU would do wrong in silence.
//
// Invariant: kernels use no other intrinsic, no library, no static shared memory and no atomic addition but of ones to whole
// numbers, so that what they give is the same at each run, to the bit.
#pragma once
#include <stdint.h>

#ifdef __CUDACC__

#define DEVICE __device__ __forceinline__
// At least one block to a multiprocessor, said aloud: without it ptxas spills a few registers to make room for more of them.
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads, 1)

// Shared memory, as much as the launch asked for; begins on a 16-byte border.
extern __shared__ uint4 shared_memory[];
DEVICE float* shared_floats() { return reinterpret_cast<float*>(shared_memory); }

// Waits for all threads of the block.
DEVICE void block_barrier() { __syncthreads(); }
// The same for the 32 of a warp.
DEVICE void warp_barrier() { __syncwarp(); }
// Another lane's value; all 32 take part.
template <class T> DEVICE T lane_xor(T value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }
template <class T> DEVICE T lane_at(T value, int lane) { return __shfl_sync(0xffffffffu, value, lane); }

// sum + Σ a[i] · b[i] over four signed bytes.
DEVICE int dot4(int a, int b, int sum) { return __dp4a(a, b, sum); }
// Byte i of the result is byte `selector >> 4i & 7` of (a, b).
DEVICE uint32_t pick_bytes(uint32_t a, uint32_t b, uint32_t selector) { return __byte_perm(a, b, selector); }

// Products of signed bytes by a warp, added to `sums`: 16 rows times 32 (or 16) columns times 8 tokens. Lane `4q + i` hands in, of
// columns `4i` to `4i + 3`: rows `q` and `q + 8` as `a[0]`, `a[1]`, token `q` as `b[0]`; and 16 columns further on `a[2]`, `a[3]`,
// `b[1]`. It gets rows `q` (`sums[0]`, `[1]`) and `q + 8` (`[2]`, `[3]`) of tokens `2i` and `2i + 1`. All lanes take part.
// Source: the PTX manual, "Matrix fragments for mma.m16n8k32" and "mma.m16n8k16".
DEVICE void mma_s8_k32(int (&sums)[4], const int (&a)[4], const int (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void mma_s8_k16(int (&sums)[4], int a0, int a1, int b0) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
                 : "r"(a0), "r"(a1), "r"(b0));
}

// The same of halves, two in a word, the lower column in the lower half, with sums of floats: 16 rows times 16 columns times 8
// tokens. Lane `4q + i` hands in, of columns `2i` and `2i + 1`: rows `q` and `q + 8` as `a[0]`, `a[1]`, token `q` as `b[0]`; and
// 8 columns further on `a[2]`, `a[3]`, `b[1]`. It gets what it gets above. Source: "Matrix fragments for mma.m16n8k16".
DEVICE void mma_f16(float (&sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// The same of floats, of which the first 10 bits behind the point are looked at: 16 rows times 8 columns times 8 tokens. Lane
// `4q + i` hands in, of column `i`: rows `q` and `q + 8` as `a[0]`, `a[1]`, token `q` as `b[0]`; and 4 columns further on `a[2]`,
// `a[3]`, `b[1]`. Source: "Matrix fragments for mma.m16n8k8", of .tf32.
DEVICE void mma_tf32(float (&sums)[4], const float (&a)[4], const float (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])),
          "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}

// Adds one to a number of shared memory, whoever else does; what it was. In which order, nobody knows.
DEVICE uint32_t count_up(uint32_t* number) { return atomicAdd(number, 1u); }

// IEEE half precision, as bits.
DEVICE float from_half(uint16_t bits) {
    float value;
    asm("{ .reg .b16 h; mov.b16 h, %1; cvt.f32.f16 %0, h; }" : "=f"(value) : "h"(bits));
    return value;
}
DEVICE uint16_t to_half(float value) {
    uint16_t bits;
    asm("{ .reg .b16 h; cvt.rn.f16.f32 h, %1; mov.b16 %0, h; }" : "=h"(bits) : "f"(value));
    return bits;
}
DEVICE float bits_to_float(uint32_t bits) { return __uint_as_float(bits); }
DEVICE uint32_t float_to_bits(float value) { return __float_as_uint(value); }
DEVICE float round_even(float value) { return rintf(value); }

// 4, 8 or 16 bytes at once from memory that no kernel of this launch writes; the address must be a multiple of their number.
struct Quad { uint32_t word[4]; };
struct Pair { uint32_t word[2]; };
DEVICE Quad load16(const void* from) {
    const uint4 all = __ldg(static_cast<const uint4*>(from));
    return {{all.x, all.y, all.z, all.w}};
}
DEVICE Pair load8(const void* from) {
    const uint2 all = __ldg(static_cast<const uint2*>(from));
    return {{all.x, all.y}};
}
DEVICE uint32_t load4(const void* from) { return __ldg(static_cast<const uint32_t*>(from)); }
DEVICE uint16_t load2(const void* from) { return __ldg(static_cast<const uint16_t*>(from)); }
DEVICE uint8_t load1(const void* from) { return __ldg(static_cast<const uint8_t*>(from)); }

#else
#include "on-host/machine.h"
#endif

constexpr int LANES = 32;

DEVICE int lane() { return static_cast<int>(threadIdx.x % LANES); }
DEVICE int warp() { return static_cast<int>(threadIdx.x / LANES); }

// Over the 32 lanes, the same in each. The order of additions is that of the tree, always.
DEVICE float warp_sum(float value) {
    for (int mask = LANES / 2; mask > 0; mask /= 2) value += lane_xor(value, mask);
    return value;
}
DEVICE float warp_max(float value) {
    for (int mask = LANES / 2; mask > 0; mask /= 2) value = fmaxf(value, lane_xor(value, mask));
    return value;
}
// Over all threads of the block (a multiple of 32, at most 1024), the same in each. `room` is 32 floats of shared memory,
// which may be used again after the next barrier.
DEVICE float block_sum(float value, float* room) {
    value = warp_sum(value);
    if (lane() == 0) room[warp()] = value;
    block_barrier();
    const int warps = static_cast<int>(blockDim.x) / LANES;
    return warp_sum(lane() < warps ? room[lane()] : 0.0f);
}
DEVICE float block_max(float value, float* room) {
    value = warp_max(value);
    if (lane() == 0) room[warp()] = value;
    block_barrier();
    const int warps = static_cast<int>(blockDim.x) / LANES;
    return warp_max(lane() < warps ? room[lane()] : -INFINITY);
}

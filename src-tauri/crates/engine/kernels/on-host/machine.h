// A GPU for tests: runs kernels on the CPU as GPUs do, a block after the other, each thread on a stack of its own.
//
// It is there to be strict, not fast. What a GPU does wrong in silence ends here with a message: a barrier or a shuffle that
// not all threads reach, an address that is not on its border, a byte read before or behind a buffer (every buffer ends at a
// page that can't be touched). Shared memory begins as NaNs. Threads take turns in an order that the launch names, so that a
// missing barrier shows as a result that depends on it.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

struct Index3 { unsigned x, y, z; };
extern Index3 threadIdx, blockIdx, blockDim, gridDim;

#define DEVICE inline
#define __restrict__ __restrict

namespace on_host {
// Stops the launch with these words; does not return.
[[noreturn]] void fail(const char* words);
unsigned char* shared_memory();
void block_barrier();
// Hands in eight bytes, waits for the warp, and takes what `lane` handed in.
uint64_t exchange(uint64_t value, int lane);
// Hands in three times eight bytes and waits for the warp; what `lane` handed in is there until the exchange after the next.
void hand_in(const uint64_t (&values)[3]);
uint64_t handed_in(int lane, int which);

using Call = void (*)(void** parameters);
struct Registered { Registered(const char* name, Call call); };

template <class... A> struct Caller;
template <class... A> struct Caller<void(A...)> {
    template <void (*Kernel)(A...), int... I> struct With;
};
template <int... I> struct Numbers {};
template <int N, int... I> struct Count : Count<N - 1, N - 1, I...> {};
template <int... I> struct Count<0, I...> { using Type = Numbers<I...>; };
template <class... A, int... I> void call(void (*kernel)(A...), void** parameters, Numbers<I...>) {
    kernel(*static_cast<A*>(parameters[I])...);
}
template <class... A> void call(void (*kernel)(A...), void** parameters) {
    call(kernel, parameters, typename Count<sizeof...(A)>::Type());
}
template <class T> const T& on_border(const void* from) {
    if (reinterpret_cast<uintptr_t>(from) % sizeof(T) != 0) fail("a load from an address that is not on its border");
    return *static_cast<const T*>(from);
}
}  // namespace on_host

#define KERNEL(threads) static void

inline float* shared_floats() { return reinterpret_cast<float*>(on_host::shared_memory()); }
inline void block_barrier() { on_host::block_barrier(); }
inline int this_lane() { return static_cast<int>(threadIdx.x % 32); }
template <class T> T lane_at(T value, int lane) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most eight bytes");
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    bits = on_host::exchange(bits, lane);
    std::memcpy(&value, &bits, sizeof(T));
    return value;
}
inline void warp_barrier() { on_host::exchange(0, this_lane()); }
template <class T> T lane_xor(T value, int mask) { return lane_at(value, this_lane() ^ mask); }

inline int dot4(int a, int b, int sum) {
    for (int at = 0; at < 32; at += 8) sum += static_cast<int8_t>(a >> at) * static_cast<int8_t>(b >> at);
    return sum;
}
// Rows `q` and `q + 8` of tokens `2i` and `2i + 1`, word after word of the columns, of which a lane hands in four of each row.
inline void mma_s8(int (&sums)[4], const int (&a)[4], const int (&b)[2], int words) {
    uint64_t values[3];
    std::memcpy(values, a, 16);
    std::memcpy(values + 2, b, 8);
    on_host::hand_in(values);
    const int quad = this_lane() / 4, in_quad = this_lane() % 4;
    for (int at = 0; at < 4; ++at) {
        const int row = quad + at / 2 * 8, token = in_quad * 2 + at % 2;
        for (int word = 0; word < words; ++word) {
            const int of_a = word / 4 * 2 + row / 8, of_b = word / 4;
            const uint64_t both_a = on_host::handed_in(row % 8 * 4 + word % 4, of_a / 2);
            const uint64_t both_b = on_host::handed_in(token * 4 + word % 4, 2);
            sums[at] = dot4(static_cast<int>(both_a >> of_a % 2 * 32), static_cast<int>(both_b >> of_b * 32), sums[at]);
        }
    }
}
inline void mma_s8_k32(int (&sums)[4], const int (&a)[4], const int (&b)[2]) { mma_s8(sums, a, b, 8); }
inline void mma_s8_k16(int (&sums)[4], int a0, int a1, int b0) {
    const int a[4] = {a0, a1, 0, 0}, b[2] = {b0, 0};
    mma_s8(sums, a, b, 4);
}
inline uint32_t count_up(uint32_t* number) { return (*number)++; }
inline uint32_t pick_bytes(uint32_t a, uint32_t b, uint32_t selector) {
    const uint64_t both = static_cast<uint64_t>(b) << 32 | a;
    uint32_t picked = 0;
    for (int at = 0; at < 4; ++at) picked |= (both >> 8 * (selector >> 4 * at & 7) & 255) << 8 * at;
    return picked;
}
inline float bits_to_float(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
inline uint32_t float_to_bits(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
// Only the first bits of what is handed in count.
inline void mma_tf32(float (&sums)[4], const float (&a)[4], const float (&b)[2]) {
    uint64_t values[3];
    std::memcpy(values, a, 16);
    std::memcpy(values + 2, b, 8);
    on_host::hand_in(values);
    const int quad = this_lane() / 4, in_quad = this_lane() % 4;
    const auto first = [](uint64_t both, int which) {
        return bits_to_float(static_cast<uint32_t>(both >> which * 32) & 0xffffe000u);
    };
    for (int at = 0; at < 4; ++at) {
        const int row = quad + at / 2 * 8, token = in_quad * 2 + at % 2;
        for (int column = 0; column < 8; ++column) {
            const int of_a = column / 4 * 2 + row / 8;
            const uint64_t both_a = on_host::handed_in(row % 8 * 4 + column % 4, of_a / 2);
            const uint64_t both_b = on_host::handed_in(token * 4 + column % 4, 2);
            sums[at] += first(both_a, of_a % 2) * first(both_b, column / 4);
        }
    }
}
inline float round_even(float value) { return nearbyintf(value); }
float from_half(uint16_t bits);
uint16_t to_half(float value);
inline void mma_f16(float (&sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    uint64_t values[3];
    std::memcpy(values, a, 16);
    std::memcpy(values + 2, b, 8);
    on_host::hand_in(values);
    const int quad = this_lane() / 4, in_quad = this_lane() % 4;
    for (int at = 0; at < 4; ++at) {
        const int row = quad + at / 2 * 8, token = in_quad * 2 + at % 2;
        for (int column = 0; column < 16; ++column) {
            const int pair = column / 2 % 4, of_a = column / 8 * 2 + row / 8, of_b = column / 8;
            const uint64_t both_a = on_host::handed_in(row % 8 * 4 + pair, of_a / 2);
            const uint64_t both_b = on_host::handed_in(token * 4 + pair, 2);
            const uint16_t one = static_cast<uint16_t>(both_a >> (of_a % 2 * 32 + column % 2 * 16));
            const uint16_t other = static_cast<uint16_t>(both_b >> (of_b * 32 + column % 2 * 16));
            sums[at] += from_half(one) * from_half(other);
        }
    }
}

struct Quad { uint32_t word[4]; };
struct Pair { uint32_t word[2]; };
struct alignas(16) Sixteen { Quad all; };
struct alignas(8) Eight { Pair all; };
inline Quad load16(const void* from) { return on_host::on_border<Sixteen>(from).all; }
inline Pair load8(const void* from) { return on_host::on_border<Eight>(from).all; }
inline uint32_t load4(const void* from) { return on_host::on_border<uint32_t>(from); }
inline uint16_t load2(const void* from) { return on_host::on_border<uint16_t>(from); }
inline uint8_t load1(const void* from) { return on_host::on_border<uint8_t>(from); }

// Makes a kernel known by its name.
#define KNOWN(kernel) \
    static const on_host::Registered known_##kernel(#kernel, [](void** parameters) { on_host::call(kernel, parameters); })

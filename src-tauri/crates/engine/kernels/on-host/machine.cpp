// See machine.h. Threads are stacks: a thread runs until it waits, then the next one does.
#include "machine.h"
#include <csetjmp>
#include <map>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

Index3 threadIdx, blockIdx, blockDim, gridDim;

namespace on_host {
namespace {
constexpr size_t STACK_BYTES = 64 << 10;
constexpr unsigned MOST_THREADS = 1024;
constexpr int WARP = 32;

enum class Wait { Runs, AtBarrier, AtExchange, Ended };

struct Thread {
    std::vector<unsigned char> stack;
    ucontext_t start;
    jmp_buf where;
    bool begun;
    Wait wait;
    // What it hands in, for this exchange and the one before: who is slower still takes that one.
    uint64_t given[2][3];
    unsigned exchanges;
};

std::vector<Thread> threads(MOST_THREADS);
jmp_buf scheduler;
jmp_buf failed;
std::string failure;
unsigned now_at;
Call now_called;
void** now_parameters;

struct Shared {
    unsigned char* pages = nullptr;
    unsigned char* start = nullptr;
    size_t bytes = 0;
} shared;

std::map<std::string, Call>& known() {
    static std::map<std::string, Call> all;
    return all;
}

void yield(Wait wait) {
    threads[now_at].wait = wait;
    if (_setjmp(threads[now_at].where) == 0) _longjmp(scheduler, 1);
}

void body() {
    now_called(now_parameters);
    threads[now_at].wait = Wait::Ended;
    _longjmp(scheduler, 1);
}

void run(unsigned at) {
    Thread& thread = threads[at];
    now_at = at;
    threadIdx = {at, 0, 0};
    if (_setjmp(scheduler) != 0) return;
    if (thread.begun) _longjmp(thread.where, 1);
    thread.begun = true;
    setcontext(&thread.start);
}

void begin_threads(unsigned count) {
    for (unsigned at = 0; at < count; ++at) {
        Thread& thread = threads[at];
        thread.stack.resize(STACK_BYTES);
        thread.begun = false;
        thread.exchanges = 0;
        thread.wait = Wait::Runs;
        getcontext(&thread.start);
        thread.start.uc_stack.ss_sp = thread.stack.data();
        thread.start.uc_stack.ss_size = STACK_BYTES;
        thread.start.uc_link = nullptr;
        makecontext(&thread.start, body, 0);
    }
}

// The `step`-th of `count` threads in the order that was named: 0 upwards, 1 downwards, else shuffled by it.
unsigned in_order(unsigned step, unsigned count, unsigned order) {
    if (order == 0) return step;
    if (order == 1) return count - 1 - step;
    // An odd factor is one to one over a power of two; numbers behind `count` are left out by whoever asks.
    return (step * (2 * order + 1) + order) & (MOST_THREADS - 1);
}

bool all_of(unsigned from, unsigned count, Wait wait) {
    for (unsigned at = from; at < from + count; ++at)
        if (threads[at].wait != wait) return false;
    return true;
}

void release(unsigned from, unsigned count) {
    for (unsigned at = from; at < from + count; ++at) threads[at].wait = Wait::Runs;
}

// Lets those go on whom all have reached. False when nobody can.
bool advance(unsigned count) {
    bool any = false;
    for (unsigned from = 0; from < count; from += WARP) {
        if (!all_of(from, WARP, Wait::AtExchange)) continue;
        release(from, WARP);
        any = true;
    }
    if (any || !all_of(0, count, Wait::AtBarrier)) return any;
    release(0, count);
    return true;
}

void run_block(unsigned count, unsigned order) {
    begin_threads(count);
    std::memset(shared.start, 255, shared.bytes);
    while (!all_of(0, count, Wait::Ended)) {
        const unsigned steps = order < 2 ? count : MOST_THREADS;
        for (unsigned step = 0; step < steps; ++step) {
            const unsigned at = in_order(step, count, order);
            if (at < count && threads[at].wait == Wait::Runs) run(at);
        }
        if (!all_of(0, count, Wait::Ended) && !advance(count)) fail("not all threads reach a barrier or a shuffle");
    }
}

size_t page_bytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

// Memory whose end is at a page that can't be touched.
unsigned char* guarded(size_t bytes, unsigned char** pages) {
    const size_t page = page_bytes(), whole = (bytes + page - 1) / page * page + page;
    void* all = mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) return nullptr;
    *pages = static_cast<unsigned char*>(all);
    mprotect(*pages + whole - page, page, PROT_NONE);
    return *pages + whole - page - (bytes + 15) / 16 * 16;
}

void give_back(unsigned char* pages, size_t bytes) {
    const size_t page = page_bytes();
    munmap(pages, (bytes + page - 1) / page * page + page);
}
}  // namespace

void fail(const char* words) {
    failure = std::string(words) + " (block " + std::to_string(blockIdx.x) + ", thread " + std::to_string(threadIdx.x) + ")";
    _longjmp(failed, 1);
}
unsigned char* shared_memory() { return shared.start; }
void block_barrier() { yield(Wait::AtBarrier); }
uint64_t exchange(uint64_t value, int lane) {
    const unsigned first = now_at / WARP * WARP;
    const unsigned slot = threads[now_at].exchanges++ % 2;
    threads[now_at].given[slot][0] = value;
    yield(Wait::AtExchange);
    return threads[first + static_cast<unsigned>(lane)].given[slot][0];
}
void hand_in(const uint64_t (&values)[3]) {
    const unsigned slot = threads[now_at].exchanges++ % 2;
    std::memcpy(threads[now_at].given[slot], values, sizeof values);
    yield(Wait::AtExchange);
}
uint64_t handed_in(int lane, int which) {
    const unsigned slot = (threads[now_at].exchanges - 1) % 2;
    return threads[now_at / WARP * WARP + static_cast<unsigned>(lane)].given[slot][which];
}
Registered::Registered(const char* name, Call call) { known()[name] = call; }
}  // namespace on_host

float from_half(uint16_t bits) {
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 1023;
    if (exponent == 31) return bits_to_float(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) return (sign ? -1.0f : 1.0f) * static_cast<float>(fraction) * 0x1p-24f;
    return bits_to_float(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t to_half(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
    const float size = fabsf(value);
    if (size != size) return sign | 0x7fff;
    if (size >= 65520.0f) return sign | 0x7c00;
    if (size < 0x1p-14f) return sign | static_cast<uint16_t>(nearbyintf(size * 0x1p24f));
    uint32_t kept = (bits & 0x7fffffff) - (112u << 23);
    kept += 0xfff + (kept >> 13 & 1);
    return sign | static_cast<uint16_t>(kept >> 13);
}

extern "C" {
// Memory of the device: ends at a page that can't be touched. `pages` is for `on_host_free`.
unsigned char* on_host_alloc(size_t bytes, unsigned char** pages) { return on_host::guarded(bytes, pages); }
void on_host_free(unsigned char* pages, size_t bytes) { on_host::give_back(pages, bytes); }

// Runs a kernel; the answer is what went wrong, or null. One launch at a time.
const char* on_host_launch(const char* name, const unsigned* grid, unsigned block, size_t shared_bytes, void** parameters,
                           unsigned order) {
    using namespace on_host;
    static std::string words;
    const auto found = known().find(name);
    if (found == known().end()) return (words = std::string("no kernel ") + name).c_str();
    if (block == 0 || block % WARP != 0 || block > MOST_THREADS) return "a block of no whole warps";
    shared.bytes = shared_bytes;
    shared.start = guarded(shared_bytes, &shared.pages);
    now_called = found->second;
    now_parameters = parameters;
    blockDim = {block, 1, 1};
    gridDim = {grid[0], grid[1], grid[2]};
    const char* answer = nullptr;
    if (_setjmp(failed) == 0) {
        for (blockIdx.z = 0; blockIdx.z < grid[2]; ++blockIdx.z)
            for (blockIdx.y = 0; blockIdx.y < grid[1]; ++blockIdx.y)
                for (blockIdx.x = 0; blockIdx.x < grid[0]; ++blockIdx.x) run_block(block, order);
    } else {
        answer = (words = std::string(name) + ": " + failure).c_str();
    }
    give_back(shared.pages, shared_bytes);
    return answer;
}
}

// The likeliest tokens of rows of logits, so that a few kilobytes come from the device for a token and not the whole row.
#include "device.cuh"

// Tokens that a list has room for.
constexpr uint32_t LIST_ROOM = 1024;
// Counted apart: so many steps below the likeliest, of which a nat has `BINS_OF_NAT`. What is further down is never listed.
constexpr uint32_t BINS = 2048;
constexpr float BINS_OF_NAT = 64.0f;

struct Listed { uint32_t id; float logit; };
// `highest` of a row, `Σ exp(logit − highest)` over it, and its `count` likeliest tokens, likeliest first: every token that is
// not among them is less likely than each of them.
struct List { uint32_t count; float highest, sum; uint32_t none; Listed tokens[LIST_ROOM]; };

// Which comes first: as the CPU's `likelier`.
DEVICE bool is_likelier(Listed one, Listed other) {
    return one.logit > other.logit || (one.logit == other.logit && one.id < other.id);
}

// In which bin a logit is counted; `BINS` for one that is not (too far down, or no number).
DEVICE uint32_t bin_of(float logit, float highest) {
    const float steps = (highest - logit) * BINS_OF_NAT;
    return steps < static_cast<float>(BINS) ? static_cast<uint32_t>(steps) : BINS;
}

// Where bin `bin` lies: those that one lane adds up are 32 apart, so that lanes are not in one another's way.
DEVICE uint32_t place_of(uint32_t bin) { return bin % (BINS / LANES) * LANES + bin / (BINS / LANES); }

// How many bins, from the highest on, have room in a list together; by one warp, the same in each lane.
DEVICE uint32_t bins_with_room(const uint32_t* counts) {
    constexpr uint32_t EACH = BINS / LANES;
    const uint32_t first = static_cast<uint32_t>(lane()) * EACH;
    uint32_t own = 0, before = 0;
    for (uint32_t at = 0; at < EACH; ++at) own += counts[place_of(first + at)];
    for (int other = 0; other < LANES; ++other) {
        const uint32_t theirs = lane_at(own, other);
        if (other < lane()) before += theirs;
    }
    uint32_t fits = 0;
    while (fits < EACH && before + counts[place_of(first + fits)] <= LIST_ROOM) before += counts[place_of(first + fits++)];
    // The first lane that has no room for all of its own says how many there are.
    uint32_t end = fits < EACH ? first + fits : BINS;
    for (int mask = LANES / 2; mask > 0; mask /= 2) {
        const uint32_t theirs = lane_xor(end, mask);
        end = theirs < end ? theirs : end;
    }
    return end;
}

// Puts `room` tokens (a power of two, at most as many as threads) in order: Batcher's bitonic sort.
DEVICE void sort_listed(Listed* tokens, uint32_t room) {
    for (uint32_t run = 2; run <= room; run *= 2) {
        for (uint32_t apart = run / 2; apart > 0; apart /= 2) {
            const uint32_t at = threadIdx.x, other = at ^ apart;
            if (at < room && other > at) {
                const Listed one = tokens[at], two = tokens[other];
                const bool is_right = (at & run) == 0 ? is_likelier(one, two) : is_likelier(two, one);
                if (!is_right) {
                    tokens[at] = two;
                    tokens[other] = one;
                }
            }
            block_barrier();
        }
    }
}

// For each row: logits become what the model says (`scale` times them, then `cap · tanh(logit / cap)` unless `cap` is 0), and the
// likeliest are listed.
// Shapes: logits `[rows, vocabulary]`, lists `[rows]`. A block of 1024 for each row; shared memory: 33 floats, rounded up to a
// border, and `BINS` numbers and a list's tokens.
KERNEL(1024) shortlist(float* logits, uint32_t vocabulary, float scale, float cap, List* lists) {
    float* row = logits + static_cast<size_t>(blockIdx.x) * vocabulary;
    List* list = lists + blockIdx.x;
    float* room = shared_floats();
    uint32_t* taken = reinterpret_cast<uint32_t*>(room + LANES);
    uint32_t* counts = taken + 4;
    Listed* tokens = reinterpret_cast<Listed*>(counts + BINS);

    for (uint32_t at = threadIdx.x; at < BINS; at += blockDim.x) counts[at] = 0;
    for (uint32_t at = threadIdx.x; at < LIST_ROOM; at += blockDim.x) tokens[at] = {UINT32_MAX, -INFINITY};
    float highest = -INFINITY;
    for (uint32_t at = threadIdx.x; at < vocabulary; at += blockDim.x) {
        float logit = row[at] * scale;
        if (cap > 0.0f) logit = cap * tanhf(logit / cap);
        row[at] = logit;
        highest = fmaxf(highest, logit);
    }
    highest = block_max(highest, room);
    block_barrier();

    float sum = 0.0f;
    for (uint32_t at = threadIdx.x; at < vocabulary; at += blockDim.x) {
        const float logit = row[at];
        const uint32_t bin = bin_of(logit, highest);
        if (bin < BINS) count_up(counts + place_of(bin));
        if (logit == logit) sum += expf(logit - highest);
    }
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) *taken = 0;
    block_barrier();

    const uint32_t end = bins_with_room(counts);
    for (uint32_t at = threadIdx.x; at < vocabulary; at += blockDim.x) {
        const float logit = row[at];
        if (bin_of(logit, highest) < end) tokens[count_up(taken)] = {at, logit};
    }
    block_barrier();
    const uint32_t count = *taken;
    uint32_t power = 1;
    while (power < count) power *= 2;
    sort_listed(tokens, power);
    for (uint32_t at = threadIdx.x; at < count; at += blockDim.x) list->tokens[at] = tokens[at];
    if (threadIdx.x == 0) {
        list->count = count;
        list->highest = highest;
        list->sum = sum;
    }
}

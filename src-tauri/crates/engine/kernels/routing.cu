// Mixtures of experts: which experts a token takes and with what weight, their choices in the order of experts, and the sum of
// what they gave. Nothing of it goes through the processor, so that a step is one run of launches.
#include "device.cuh"
// Before this one in the unit: tiles.cu, with the size of a tile.

// How a router's outputs become scores: `decoder/routing.rs` has the same for the processor, and its sources.
constexpr uint32_t SOFTMAX = 0, SIGMOID = 1, SOFTMAX_OF_CHOSEN = 2;

// `exp(value − largest) / Σ exp` over `count` numbers of shared memory, by one warp.
DEVICE void warp_softmax(float* values, uint32_t count) {
    float largest = -INFINITY, sum = 0.0f;
    for (uint32_t at = static_cast<uint32_t>(lane()); at < count; at += LANES) largest = fmaxf(largest, values[at]);
    largest = warp_max(largest);
    for (uint32_t at = static_cast<uint32_t>(lane()); at < count; at += LANES) {
        values[at] = expf(values[at] - largest);
        sum += values[at];
    }
    sum = warp_sum(sum);
    for (uint32_t at = static_cast<uint32_t>(lane()); at < count; at += LANES) values[at] /= sum;
}

// The place of the largest of `count` numbers, the lowest where several are; the same in each lane.
DEVICE uint32_t warp_best(const float* values, uint32_t count) {
    float best = -INFINITY;
    uint32_t place = count;
    for (uint32_t at = static_cast<uint32_t>(lane()); at < count; at += LANES) {
        // Minus infinity can be taken, what is marked with NaN not.
        if (values[at] == values[at] && (place == count || values[at] > best)) {
            best = values[at];
            place = at;
        }
    }
    for (int mask = LANES / 2; mask > 0; mask /= 2) {
        const float other = lane_xor(best, mask);
        const uint32_t there = lane_xor(place, mask);
        const bool better = there < count && (place == count || other > best || (other == best && there < place));
        if (better) {
            best = other;
            place = there;
        }
    }
    // Where nothing can be compared, the last: nobody reads outside.
    return place < count ? place : count - 1;
}

// Experts outside of the `used` best groups can't be chosen: a group is worth the sum of its `best` largest choices.
DEVICE void keep_best_groups(float* choice, float* worths, float* room, uint32_t experts, uint32_t groups, uint32_t used,
                             uint32_t best) {
    const uint32_t size = experts / groups;
    for (uint32_t group = 0; group < groups; ++group) {
        for (uint32_t at = static_cast<uint32_t>(lane()); at < size; at += LANES) room[at] = choice[group * size + at];
        warp_barrier();
        float worth = 0.0f;
        for (uint32_t taken = 0; taken < best && taken < size; ++taken) {
            const uint32_t place = warp_best(room, size);
            worth += room[place];
            warp_barrier();
            if (lane() == 0) room[place] = -INFINITY;
            warp_barrier();
        }
        if (lane() == 0) worths[group] = worth;
        warp_barrier();
    }
    for (uint32_t kept = 0; kept < used; ++kept) {
        const uint32_t group = warp_best(worths, groups);
        warp_barrier();
        // A mark that no sum of scores reaches.
        if (lane() == 0) worths[group] = NAN;
        warp_barrier();
    }
    for (uint32_t at = static_cast<uint32_t>(lane()); at < experts; at += LANES) {
        const float worth = worths[at / size];
        if (worth == worth) choice[at] = -INFINITY;
    }
    warp_barrier();
}

// For each row the `used` best experts, best first, with their weights.
//
// outputs `[rows, experts]`; correction `[experts]` or null, added for the choice alone; factors `[experts]` or null, by which
// weights are multiplied at the end; `chosen`, `weights` `[rows, used]`. `groups` 0: no groups. A warp for each row: 32 threads;
// shared memory: `3 · experts + groups + used` floats. `used` ≤ 32, `groups` divides `experts`.
KERNEL(32) route(const float* outputs, const float* correction, const float* factors, uint32_t experts, uint32_t used,
                 uint32_t score, uint32_t groups, uint32_t groups_used, uint32_t groups_best, uint32_t normalize, float scale,
                 uint32_t* chosen, float* weights) {
    float* scores = shared_floats();
    float* choice = scores + experts;
    float* room = choice + experts;
    float* worths = room + experts;
    float* taken = worths + groups;
    const size_t row = blockIdx.x;
    for (uint32_t at = static_cast<uint32_t>(lane()); at < experts; at += LANES) {
        const float output = outputs[row * experts + at];
        scores[at] = score == SIGMOID ? 1.0f / (1.0f + expf(-output)) : output;
    }
    warp_barrier();
    if (score == SOFTMAX) warp_softmax(scores, experts);
    warp_barrier();
    for (uint32_t at = static_cast<uint32_t>(lane()); at < experts; at += LANES)
        choice[at] = scores[at] + (correction == nullptr ? 0.0f : correction[at]);
    warp_barrier();
    if (groups > 0) keep_best_groups(choice, worths, room, experts, groups, groups_used, groups_best);
    uint32_t mine = 0;
    for (uint32_t at = 0; at < used; ++at) {
        const uint32_t expert = warp_best(choice, experts);
        if (static_cast<uint32_t>(lane()) == at) mine = expert;
        warp_barrier();
        if (lane() == 0) {
            taken[at] = scores[expert];
            // Below what is left out with its group, so that nothing is taken twice.
            choice[expert] = NAN;
        }
        warp_barrier();
    }
    if (score == SOFTMAX_OF_CHOSEN) warp_softmax(taken, used);
    warp_barrier();
    float sum = 0.0f;
    for (uint32_t at = 0; at < used; ++at) sum += taken[at];
    const float size = (normalize ? 1.0f / fmaxf(sum, 1e-20f) : 1.0f) * scale;
    if (static_cast<uint32_t>(lane()) < used) {
        const size_t to = row * used + static_cast<uint32_t>(lane());
        chosen[to] = mine;
        weights[to] = taken[lane()] * size * (factors == nullptr ? 1.0f : factors[mine]);
    }
}

// Choices in the order of their experts, so that an expert's weights are read once for all its tokens.
//
// chosen `[choices]`; `offsets` `[experts + 1]`: where an expert's run of `order` begins; `order` `[choices]`: numbers of
// choices, within an expert as they come; `tiles` `[most, 2]`: for each run of up to 64 choices of one expert which one, and
// where in `order` it begins, then `NO_TILE`s (tiles.cu). `most` ≥ experts + choices / 64. One block; shared memory: twice
// `experts` numbers. Who comes first within an expert may be another each time: what a choice gives does not depend on who
// stands beside it.
KERNEL(1024) sort_choices(const uint32_t* chosen, uint32_t choices, uint32_t experts, uint32_t* offsets, uint32_t* order,
                          uint32_t* tiles, uint32_t most) {
    uint32_t* counts = reinterpret_cast<uint32_t*>(shared_floats());
    uint32_t* next = counts + experts;
    for (uint32_t expert = threadIdx.x; expert < experts; expert += blockDim.x) counts[expert] = 0;
    block_barrier();
    for (uint32_t at = threadIdx.x; at < choices; at += blockDim.x) count_up(counts + load4(chosen + at));
    block_barrier();
    for (uint32_t expert = threadIdx.x; expert < experts; expert += blockDim.x) {
        uint32_t to = 0, tile = 0;
        for (uint32_t before = 0; before < expert; ++before) {
            to += counts[before];
            tile += (counts[before] + TILE_TOKENS - 1) / TILE_TOKENS;
        }
        offsets[expert] = to;
        next[expert] = to;
        for (uint32_t first = 0; first < counts[expert]; first += TILE_TOKENS, ++tile) {
            tiles[2 * tile] = expert;
            tiles[2 * tile + 1] = to + first;
        }
        if (expert + 1 == experts) {
            offsets[experts] = to + counts[expert];
            for (; tile < most; ++tile) tiles[2 * tile] = NO_TILE;
        }
    }
    block_barrier();
    for (uint32_t at = threadIdx.x; at < choices; at += blockDim.x) order[count_up(next + load4(chosen + at))] = at;
}

// `gates[row] = σ(Σ row ⊙ weights)`. rows `[.., columns]`, weights `[columns]`. A block for each row; shared memory: 32 floats.
KERNEL(256) gate_rows(const float* rows, const float* weights, float* gates, uint32_t columns) {
    float sum = 0.0f;
    for (uint32_t at = threadIdx.x; at < columns; at += blockDim.x)
        sum += rows[static_cast<size_t>(blockIdx.x) * columns + at] * weights[at];
    sum = block_sum(sum, shared_floats());
    if (threadIdx.x == 0) gates[blockIdx.x] = 1.0f / (1.0f + expf(-sum));
}

// `out = base + Σ weights[row, i] · given[row, i] + gates[row] · shared`, in this order; `base`, `shared` may be null, and null
// `gates` are ones. given `[rows, used, columns]`, weights `[rows, used]`, base, shared, out `[rows, columns]`; out may be base.
// Grid `(columns / 256 rounded up, rows)`.
KERNEL(256) mix_experts(const float* base, const float* given, const float* weights, uint32_t used, const float* shared,
                        const float* gates, float* out, uint32_t columns) {
    const uint32_t at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= columns) return;
    const size_t row = blockIdx.y, place = row * columns + at;
    float sum = base == nullptr ? 0.0f : base[place];
    for (uint32_t choice = 0; choice < used; ++choice)
        sum += weights[row * used + choice] * given[(row * used + choice) * columns + at];
    if (shared != nullptr) sum += (gates == nullptr ? 1.0f : gates[row]) * shared[place];
    out[place] = sum;
}

// The kernels, compiled for the CPU, and their names: one unit with the machine, so that no linker leaves the names out.
#include "machine.cpp"
#include "../kernels.cu"

#define WEIGHTS_KNOWN(Format, name) KNOWN(spread_##name); KNOWN(embed_##name);
#define MULTIPLY_KNOWN(Format, name) \
    KNOWN(multiply_##name##_1); KNOWN(multiply_##name##_2); KNOWN(multiply_##name##_4); KNOWN(multiply_##name##_8);
EACH_FORMAT(WEIGHTS_KNOWN)
#define TILES_KNOWN(Format, name) KNOWN(tiles_##name);
EACH_FORMAT(MULTIPLY_KNOWN)
EACH_FORMAT(TILES_KNOWN)
EACH_FLOAT(TILES_KNOWN)
EACH_FLOAT(MULTIPLY_KNOWN)
KNOWN(embed_f32);
KNOWN(embed_f16);
KNOWN(embed_bf16);
KNOWN(take_rows);
KNOWN(quantize_rows);
KNOWN(add_norm);
KNOWN(activate);
KNOWN(place_f32);
KNOWN(place_f16);
KNOWN(place_q8_0);
#define LOOK_KNOWN(Row, name, HEADS, EIGHTS) KNOWN(look_##name##_##HEADS##_##EIGHTS);
EACH_LOOK(LOOK_KNOWN)
KNOWN(join);
#define FLASH_KNOWN(Row, name, DIM) KNOWN(flash_##name##_##DIM);
EACH_FLASH(FLASH_KNOWN)
KNOWN(route);
KNOWN(sort_choices);
KNOWN(gate_rows);
KNOWN(mix_experts);
KNOWN(shortlist);

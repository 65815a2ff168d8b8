// All kernels as one unit: what `make cuda` gives to nvcc, and the tests' build to the C++ compiler of the machine.
#include "weights.cu"
#include "norm.cu"
#include "matvec.cu"
#include "tiles.cu"
#include "tiles_floats.cu"
#include "attention.cu"
#include "flash.cu"
#include "routing.cu"

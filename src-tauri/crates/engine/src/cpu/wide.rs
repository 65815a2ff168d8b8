//! The plain loops, for registers that are wider than the compiler may take for granted.
//!
//! On x86-64 it may count on SSE2 alone, without even a fused multiplication. With [`wide!`] a function is compiled once more
//! for AVX2; on arm64 what it may count on is enough. It is deliberately no second set of kernels: the numbers and the order
//! of the sums are the loops' own, so the bits are, too.

/// Calls a function (which must be inlined wherever it is called) with AVX2, where there is that.
macro_rules! wide {
    ($function:path; $($name:ident: $type:ty = $value:expr),* => $result:ty) => {{
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "wider instructions, behind a look at what the processor has")]
        fn chosen($($name: $type),*) -> $result {
            #[target_feature(enable = "avx2,fma,f16c")]
            fn with_avx2($($name: $type),*) -> $result {
                $function($($name),*)
            }
            if $crate::cpu::wide::has_avx2() {
                // SAFETY: the processor has the instructions.
                unsafe { with_avx2($($name),*) }
            } else {
                $function($($name),*)
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        fn chosen($($name: $type),*) -> $result {
            $function($($name),*)
        }
        chosen($($value),*)
    }};
}
pub(crate) use wide;

#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

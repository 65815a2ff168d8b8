//! What a model's file name tells: `SmolLM2-135M-Instruct.Q4_1.gguf` is `SmolLM2-135M-Instruct` in `Q4_1`.
//!
//! There is no rule for these names, only the habits of those who publish them: the quantization is the last part,
//! after a dot, a hyphen or an underscore, in capitals or not. What fits none of the habits stays part of the name, but for
//! the number of a part.

/// Name and quantization, the latter in capitals. The name is never empty.
pub(crate) fn name_and_quantization(file_name: &str) -> (String, Option<String>) {
    let (stem, _) = split_part_number(without_ending(file_name));
    let cuts = stem
        .char_indices()
        .filter(|&(at, letter)| at > 0 && matches!(letter, '.' | '-' | '_' | ' '));
    // The first cut is the longest quantization: `UD-Q4_K_XL`, not `Q4_K_XL`.
    for (at, _) in cuts {
        if let Some(quantization) = quantization(&stem[at + 1..]) {
            return (stem[..at].to_owned(), Some(quantization));
        }
    }
    (stem.to_owned(), None)
}

fn without_ending(file_name: &str) -> &str {
    match file_name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.eq_ignore_ascii_case("gguf") => stem,
        _ => file_name,
    }
}

/// Splits off `-00001-of-00003`, which stands behind the quantization.
pub(crate) fn split_part_number(stem: &str) -> (&str, &str) {
    const LENGTH: usize = "-00001-of-00003".len();
    let at = stem.len().saturating_sub(LENGTH);
    let Some((rest, part)) = stem.split_at_checked(at) else {
        return (stem, "");
    };
    let shape: String = part
        .chars()
        .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
        .collect();
    if shape == "-00000-of-00000" && !rest.is_empty() {
        (rest, part)
    } else {
        (stem, "")
    }
}

/// The quantization as llama.cpp writes it, if this is one. `UD-` (Unsloth's dynamic ones) and `i1-` (made with an
/// importance matrix) are part of it: they are other files than those without.
pub(crate) fn quantization(text: &str) -> Option<String> {
    let (prefix, rest) = ["UD-", "i1-"]
        .into_iter()
        .find_map(|prefix| Some((prefix, strip_prefix_ignoring_case(text, prefix)?)))
        .unwrap_or(("", text));
    let upper = rest.to_ascii_uppercase();
    let whole = match upper.as_str() {
        "F16" | "FP16" => "F16",
        "F32" | "FP32" => "F32",
        "BF16" | "MXFP4" | "MXFP4_MOE" | "NVFP4" => &upper,
        _ if is_block_quantization(&upper) => &upper,
        _ => return None,
    };
    Some(format!("{prefix}{whole}"))
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// `Q4_0`, `Q4_K_M`, `IQ4_XS`, `TQ1_0`, `Q4_0_4_8`: family and bits, then the kind, then the size of the mixture.
fn is_block_quantization(upper: &str) -> bool {
    let digit = |text: &str| matches!(text.as_bytes(), [b'1'..=b'9']);
    let family = |text: &str, name: &str| text.strip_prefix(name).is_some_and(digit);
    let mixture = |text: &str| matches!(text, "XXS" | "XS" | "S" | "M" | "L" | "XL" | "XXL" | "NL");
    match upper.split('_').collect::<Vec<_>>()[..] {
        [q, "0" | "1" | "K"] if family(q, "Q") => true,
        [q, "K", size] if family(q, "Q") => mixture(size),
        [q, "0", rows, columns] if family(q, "Q") => digit(rows) && digit(columns),
        [iq, size] if family(iq, "IQ") => mixture(size),
        [tq, "0"] => family(tq, "TQ"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_habits_of_those_who_publish() {
        let check = |file_name: &str, name: &str, quantization: &str| {
            let (found_name, found) = name_and_quantization(file_name);
            assert_eq!(found_name, name, "{file_name}");
            assert_eq!(
                found.as_deref().unwrap_or_default(),
                quantization,
                "{file_name}"
            );
        };
        check(
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "SmolLM2-135M-Instruct",
            "Q4_1",
        );
        check(
            "Llama-3.2-1B-Instruct-Q4_K_M.gguf",
            "Llama-3.2-1B-Instruct",
            "Q4_K_M",
        );
        check(
            "qwen2.5-0.5b-instruct-q4_k_m.gguf",
            "qwen2.5-0.5b-instruct",
            "Q4_K_M",
        );
        check(
            "qwen2.5-0.5b-instruct-fp16.gguf",
            "qwen2.5-0.5b-instruct",
            "F16",
        );
        check("llama-7b.f16.gguf", "llama-7b", "F16");
        check("ggml-model-f32.GGUF", "ggml-model", "F32");
        check("gemma-3-27b-it-BF16.gguf", "gemma-3-27b-it", "BF16");
        check("Mixtral-8x7B-IQ4_XS.gguf", "Mixtral-8x7B", "IQ4_XS");
        check("m-IQ2_XXS.gguf", "m", "IQ2_XXS");
        check("m-IQ4_NL.gguf", "m", "IQ4_NL");
        check("m-TQ1_0.gguf", "m", "TQ1_0");
        check("gpt-oss-20b-MXFP4.gguf", "gpt-oss-20b", "MXFP4");
        check("gpt-oss-20b-mxfp4_moe.gguf", "gpt-oss-20b", "MXFP4_MOE");
        check(
            "Qwen3-30B-A3B-UD-Q4_K_XL.gguf",
            "Qwen3-30B-A3B",
            "UD-Q4_K_XL",
        );
        check("Qwen3-30B-A3B.i1-Q4_K_S.gguf", "Qwen3-30B-A3B", "i1-Q4_K_S");
        check("phi_q8_0.gguf", "phi", "Q8_0");
        check("m.Q6_K.gguf", "m", "Q6_K");
        check("m-Q3_K_L.gguf", "m", "Q3_K_L");
        check("m-Q4_0_4_8.gguf", "m", "Q4_0_4_8");
        check("Big-70B-Q4_K_M-00001-of-00003.gguf", "Big-70B", "Q4_K_M");
    }

    #[test]
    fn what_fits_no_habit_is_part_of_the_name() {
        let check = |file_name: &str, name: &str| {
            assert_eq!(name_and_quantization(file_name), (name.into(), None));
        };
        check("tinyllama.gguf", "tinyllama");
        check("Llama-3.2-1B.gguf", "Llama-3.2-1B");
        check("report-Q2.gguf", "report-Q2");
        check("m-Q4_K_HUGE.gguf", "m-Q4_K_HUGE");
        check("m-Q0_0.gguf", "m-Q0_0");
        check("m-IQ4.gguf", "m-IQ4");
        check("Q4_0.gguf", "Q4_0");
        check("-Q4_0.gguf", "-Q4_0");
        check("no-ending", "no-ending");
        check("-00001-of-00002.gguf", "-00001-of-00002");
        check(".gguf", ".gguf");
    }

    proptest! {
        #[test]
        fn any_file_name_gives_a_name(file_name in ".+") {
            prop_assert!(!name_and_quantization(&file_name).0.is_empty());
        }

        #[test]
        fn any_name_before_a_quantization_is_kept(name in "[A-Za-z0-9.]{1,12}x") {
            let expected = (name.clone(), Some("Q5_K_M".to_owned()));
            prop_assert_eq!(name_and_quantization(&format!("{name}-Q5_K_M.gguf")), expected);
        }
    }
}

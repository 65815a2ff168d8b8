//! GGUF files that are no models: a projector, with which a model sees or hears (`mmproj-….gguf`), and the importance matrix
//! that a quantization was made with. Known by the habits of those who publish them, as names of models are.

use super::file_name::name_and_quantization;
use std::path::{Path, PathBuf};

/// Whether a file of this name lets a model see or hear.
pub(crate) fn is_projector(file_name: &str) -> bool {
    let name = file_name.to_ascii_lowercase();
    let inside = ["-mmproj", "_mmproj", ".mmproj"];
    name.starts_with("mmproj") || inside.iter().any(|part| name.contains(part))
}

/// Whether a GGUF file of this name belongs to a model and is none.
pub(crate) fn is_companion(file_name: &str) -> bool {
    let name = file_name.to_ascii_lowercase();
    let stem = name.strip_suffix(".gguf").unwrap_or(&name);
    is_projector(file_name) || stem.starts_with("imatrix") || stem.ends_with("imatrix")
}

/// The projector of a model among those that lie beside it. Where other models lie there too, it must be named after it.
pub(crate) fn projector<'a>(
    model: &str,
    is_alone: bool,
    projectors: &'a [PathBuf],
) -> Option<&'a Path> {
    let model = model.to_ascii_lowercase();
    let mut fitting: Vec<_> = projectors
        .iter()
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            let is_named = name.to_ascii_lowercase().contains(&model);
            let rank = rank(name_and_quantization(name).1.as_deref());
            (is_alone || is_named).then_some((!is_named, rank, path))
        })
        .collect();
    fitting.sort();
    fitting.first().map(|(.., path)| path.as_path())
}

/// F16 is what every engine takes, and others are made from.
fn rank(quantization: Option<&str>) -> u8 {
    match quantization {
        Some("F16") => 0,
        Some("BF16") => 1,
        Some("F32") => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_companion_is_known_by_its_name() {
        let check = |name: &str, expected: (bool, bool)| {
            assert_eq!((is_projector(name), is_companion(name)), expected, "{name}");
        };
        check("mmproj-F16.gguf", (true, true));
        check("mmproj-google_gemma-3-27b-it-f16.gguf", (true, true));
        check("gemma-3-27b-it-mmproj-f16.gguf", (true, true));
        check("LLaVA.mmproj.GGUF", (true, true));
        check("imatrix_unsloth.gguf", (false, true));
        check("Qwen3-8B.imatrix.gguf", (false, true));
        check("Llama-8B-imatrix-Q4_K_M.gguf", (false, false));
        check("Qwen3-8B-Q4_K_M.gguf", (false, false));
    }

    #[test]
    fn a_projector_is_chosen_by_whom_it_is_named_after() {
        let check = |model: &str, is_alone: bool, names: &[&str], expected: Option<&str>| {
            let paths: Vec<_> = names.iter().map(PathBuf::from).collect();
            let found = projector(model, is_alone, &paths);
            assert_eq!(found, expected.map(Path::new), "{model} {names:?}");
        };
        let three = ["mmproj-BF16.gguf", "mmproj-F32.gguf", "mmproj-F16.gguf"];
        check("gemma-3-27b-it", true, &three, Some("mmproj-F16.gguf"));
        check("gemma-3-27b-it", false, &three, None);
        let named = ["mmproj-F16.gguf", "mmproj-gemma-3-27B-it-f32.gguf"];
        check("gemma-3-27b-it", false, &named, Some(named[1]));
        check("gemma-3-27b-it", true, &named, Some(named[1]));
        check("Qwen3-8B", true, &[], None);
    }
}

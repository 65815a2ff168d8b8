//! Headers of safetensors files that are whole, damaged and hostile.

use super::writer::Safetensors;
use crate::files::TensorType;
use crate::files::safetensors::{Dtype, Error, from_bytes};
use proptest::prelude::*;

fn two() -> Safetensors {
    let file = Safetensors::default().tensor("a", "F32", &[2], &[0; 8]);
    file.tensor("b", "BF16", &[2, 1], &[0; 4])
}

#[test]
fn a_whole_header_is_read() {
    let file = two().finish();
    let tensors = from_bytes(&file).expect("it is whole");
    let (a, b) = (&tensors["a"], &tensors["b"]);
    assert_eq!((a.shape.as_slice(), a.size_bytes), (&[2][..], 8));
    assert_eq!(a.offset + 12, file.len() as u64);
    assert_eq!((b.shape.as_slice(), b.offset), (&[2, 1][..], a.offset + 8));
    assert_eq!(b.dtype, Dtype::Known(TensorType::BF16));
}

#[test]
fn headers_that_lie_are_refused() {
    let check = |bytes: &[u8], words: &str| {
        let error = from_bytes(bytes).expect_err(words).to_string();
        assert!(error.contains(words), "{error:?} does not say {words:?}");
    };
    let header = |text: &str, words: &str| check(&two().with_header(text), words);
    let one = |rest: &str, words: &str| header(&format!(r#"{{"a":{{{rest}}}}}"#), words);
    check(b"", "it has 0 bytes");
    check(b"GGUF\x03\0\0\0 and more", "cut off or no safetensors file");
    check(
        &[u64::MAX.to_le_bytes().as_slice(), b"{}"].concat(),
        "cut off",
    );
    header("[]", "not understood");
    header("{", "not understood");
    header(&"[".repeat(100_000), "not understood");
    one(r#""dtype":"F32","shape":[2]"#, "data_offsets");
    one(
        r#""dtype":"F32","shape":[2],"data_offsets":[0,4]"#,
        "has 4 bytes where [2] of F32 are 8",
    );
    one(
        r#""dtype":"F32","shape":[4],"data_offsets":[0,16]"#,
        "beyond the file",
    );
    one(
        r#""dtype":"F32","shape":[2],"data_offsets":[8,0]"#,
        "impossible",
    );
    one(
        r#""dtype":"F32","shape":[-2],"data_offsets":[0,8]"#,
        "not understood",
    );
    one(
        r#""dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]"#,
        "9 dimensions",
    );
    let huge = u64::MAX / 2;
    one(
        &format!(r#""dtype":"F32","shape":[{huge},{huge}],"data_offsets":[0,8]"#),
        "impossible",
    );
    one(
        &format!(
            r#""dtype":"F32","shape":[2],"data_offsets":[{},{}]"#,
            u64::MAX - 8,
            u64::MAX
        ),
        "beyond",
    );
    let a = r#""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    header(&format!("{{{a},{a}}}"), "a is there twice");
    let b = r#""b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#;
    header(&format!("{{{a},{b}}}"), "its tensors overlap: a and b");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// No panic; what is accepted lies inside the file.
    #[test]
    fn any_damage_ends_in_tensors_or_an_error(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        digits in any::<bool>(),
        kept in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = two().finish();
        for (place, value) in changes {
            let at = place.index(bytes.len());
            // Digits in place of digits get further than noise.
            bytes[at] = if digits && bytes[at].is_ascii_digit() { b'0' + value % 10 } else { value };
        }
        if cut {
            bytes.truncate(kept.index(bytes.len()));
        }
        match from_bytes(&bytes) {
            Ok(tensors) => for entry in tensors.values() {
                prop_assert!(entry.offset + entry.size_bytes <= bytes.len() as u64);
            },
            Err(Error::Io(error)) => prop_assert!(false, "{error}"),
            Err(_) => {}
        }
    }
}

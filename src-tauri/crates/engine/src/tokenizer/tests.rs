//! Tokenizers against what llama.cpp gives, and their own promises.

use super::*;

/// Development only.
#[test]
fn scratch_vocabularies() {
    let Ok(folder) = std::env::var("WICK_VOCABS") else {
        return;
    };
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "gguf"))
        .collect();
    names.sort();
    for path in names {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (Ok(inp), Ok(out)) = (
            std::fs::read_to_string(path.with_extension("gguf.inp")),
            std::fs::read_to_string(path.with_extension("gguf.out")),
        ) else {
            println!("{name}: no texts");
            continue;
        };
        let checkpoint = match Checkpoint::open(&path) {
            Ok(c) => c,
            Err(e) => {
                println!("{name}: {e}");
                continue;
            }
        };
        let t = std::time::Instant::now();
        let tokenizer = match Tokenizer::of(&checkpoint) {
            Ok(t) => t,
            Err(e) => {
                println!("{name}: {e}");
                continue;
            }
        };
        let built = t.elapsed();
        let texts: Vec<&str> = inp.split("\n__ggml_vocab_test__\n").collect();
        let outs: Vec<Vec<u32>> = out
            .lines()
            .map(|l| l.split_whitespace().map(|x| x.parse().unwrap()).collect())
            .collect();
        let mut wrong = 0;
        for (text, expected) in texts.iter().zip(&outs) {
            let found = tokenizer.encode(text, Specials::AsText);
            if &found != expected {
                wrong += 1;
                if wrong <= 2 {
                    println!(
                        "  {name}: {text:?}\n    found    {found:?}\n    expected {expected:?}"
                    );
                }
            }
            let mut d = tokenizer.decoder();
            let mut back: String = found
                .iter()
                .map(|id| d.push(&tokenizer.piece(*id)))
                .collect();
            back += &d.finish();
            if back != *text && !name.contains("bert") {
                println!("  {name}: decodes {text:?} as {back:?}");
            }
        }
        println!(
            "{name}: {} texts, {wrong} wrong, {} outs, built in {built:?}",
            texts.len(),
            outs.len()
        );
    }
}

#[test]
fn every_name_of_the_table_builds() {
    for name in pre::NAMES {
        assert!(
            pre::PreTokenizer::named(name).is_ok(),
            "{name}: {:?}",
            pre::PreTokenizer::named(name).err()
        );
    }
}

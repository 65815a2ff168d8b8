//! From what a person types to one model.

use super::Model;
use crate::Error;

type Rule = fn(&Model, &str) -> bool;

/// From the strictest to the loosest. The first rule that anything fits decides.
const RULES: [Rule; 5] = [
    |model, wanted| model.id.0 == wanted || model.path == wanted,
    |model, wanted| model.file_name == wanted,
    |model, wanted| model.name == wanted,
    |model, wanted| model.file_name.to_lowercase().starts_with(wanted),
    |model, wanted| model.file_name.to_lowercase().contains(wanted),
];

/// How many of the rules compare letter by letter; the others are given small letters.
const EXACT_RULES: usize = 3;

pub(crate) fn search(models: Vec<Model>, wanted: &str) -> Result<Model, Error> {
    let lowercase = wanted.to_lowercase();
    for (index, fits) in RULES.iter().enumerate() {
        let wanted_here = if index < EXACT_RULES {
            wanted
        } else {
            &lowercase
        };
        // Everything contains the empty name; it names nothing.
        let found: Vec<&Model> = models
            .iter()
            .filter(|model| !wanted.is_empty() && fits(model, wanted_here))
            .collect();
        match found[..] {
            [] => {}
            [model] => return Ok(model.clone()),
            _ => return Err(ambiguous(wanted, &found)),
        }
    }
    Err(Error::NotFound {
        wanted: wanted.into(),
        known: models.into_iter().map(|model| model.file_name).collect(),
    })
}

fn ambiguous(wanted: &str, found: &[&Model]) -> Error {
    let unclear = |model: &Model| {
        let same = |other: &&&Model| other.file_name == model.file_name;
        found.iter().filter(same).count() > 1
    };
    let title = |model: &&Model| {
        let title = if unclear(model) {
            &model.path
        } else {
            &model.file_name
        };
        title.clone()
    };
    Error::Ambiguous {
        wanted: wanted.into(),
        candidates: found.iter().map(title).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelId;
    use crate::library::file_name;

    fn model(path: &str) -> Model {
        let file_name = path.rsplit('/').next().expect("a last part").to_owned();
        let (name, quantization) = file_name::name_and_quantization(&file_name);
        Model {
            id: ModelId(path.into()),
            name,
            quantization,
            file_name,
            path: path.into(),
            size_bytes: 1,
            source: "test".into(),
            format: crate::Format::Gguf,
            repo: None,
            commit: None,
            revision: None,
            projector: None,
        }
    }

    fn library() -> Vec<Model> {
        let paths = [
            "/a/Llama-1B-Q4_K_M.gguf",
            "/a/Llama-1B-Q8_0.gguf",
            "/a/Llama-8B-Q8_0.gguf",
            "/a/tiny.gguf",
            "/b/tiny.gguf",
            "/b/Tiny-chat.Q4_0.gguf",
        ];
        paths.into_iter().map(model).collect()
    }

    #[test]
    fn a_name_finds_the_one_model_that_it_can_mean() {
        let check = |wanted: &str, expected: &str| {
            let found = search(library(), wanted).expect(wanted);
            assert_eq!(found.path, expected, "{wanted}");
        };
        check("/b/tiny.gguf", "/b/tiny.gguf");
        check("Llama-1B-Q8_0.gguf", "/a/Llama-1B-Q8_0.gguf");
        check("Llama-8B", "/a/Llama-8B-Q8_0.gguf");
        check("llama-8", "/a/Llama-8B-Q8_0.gguf");
        check("LLAMA-1B-Q4", "/a/Llama-1B-Q4_K_M.gguf");
        check("q4_k", "/a/Llama-1B-Q4_K_M.gguf");
        check("CHAT", "/b/Tiny-chat.Q4_0.gguf");
    }

    #[test]
    fn the_stricter_rule_goes_before_the_looser_one() {
        let models = || ["/a/big.gguf", "/a/bigger.gguf"].map(model).to_vec();
        let found = search(models(), "big").expect("an exact name");
        assert_eq!(found.path, "/a/big.gguf");
        assert!(matches!(
            search(models(), "bi"),
            Err(Error::Ambiguous { .. })
        ));
    }

    #[test]
    fn what_is_ambiguous_or_unknown_is_told_with_the_choice() {
        let check = |wanted: &str, expected: &str| {
            let error = search(library(), wanted).expect_err(wanted).to_string();
            assert_eq!(error, expected);
        };
        check(
            "Llama-1B",
            "\"Llama-1B\" could be any of Llama-1B-Q4_K_M.gguf, Llama-1B-Q8_0.gguf",
        );
        check(
            "tiny",
            "\"tiny\" could be any of /a/tiny.gguf, /b/tiny.gguf",
        );
        let all = "Llama-1B-Q4_K_M.gguf, Llama-1B-Q8_0.gguf, Llama-8B-Q8_0.gguf, tiny.gguf, tiny.gguf, \
                   Tiny-chat.Q4_0.gguf";
        check(
            "phi",
            &format!("there is no model \"phi\" in the library; there are {all}"),
        );
        check(
            "",
            &format!("there is no model \"\" in the library; there are {all}"),
        );
        let empty = search(vec![], "phi")
            .expect_err("nothing there")
            .to_string();
        assert_eq!(
            empty,
            "there is no model \"phi\" in the library; the library is empty"
        );
    }
}

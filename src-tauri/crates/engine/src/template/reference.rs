//! The prompts that `transformers` renders, written by `tests/reference/templates.py`.

use super::*;
use serde_json::Value;

const REFERENCE: &str = include_str!("../../../../../tests/reference/templates.json");

#[test]
fn prompts_are_those_of_transformers() {
    let reference: Value = serde_json::from_str(REFERENCE).expect("JSON");
    let specials = reference["specials"].as_object().expect("a map");
    let specials: Specials = specials
        .iter()
        .map(|(name, text)| (name.clone(), text.as_str().expect("a text").to_owned()))
        .collect();
    let cases: Vec<Chat> = serde_json::from_value(reference["cases"].clone()).expect("chats");
    let mut same = 0;
    for (name, source) in reference["templates"].as_object().expect("a map") {
        let template = ChatTemplate::new(source.as_str().expect("a text"), &specials);
        let template = template.expect(name);
        for (at, chat) in cases.iter().enumerate() {
            let ours = template.render(chat, &unguarded);
            let theirs = &reference["expected"][name][at];
            match theirs["ok"].as_str() {
                Some(theirs) => assert_eq!(ours.expect(name), theirs, "{name} {at}"),
                None => assert!(ours.is_err(), "{name} {at} was refused: {theirs}"),
            }
            same += 1;
        }
    }
    assert_eq!(same, 88);
}

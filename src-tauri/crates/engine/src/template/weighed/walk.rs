//! One tag's expressions, token by token: where operands end, and what is asked of them there.
//!
//! It deliberately judges no grammar: what minijinja will refuse may come out as it likes. Invariant: in what it takes, a filter
//! stands behind each operand that an operator, a filter or a test looks into.

use super::{FACTOR, TICK, WEIGH};
use minijinja::machinery::Token;

/// Slices of slices are views of views, each a step for each item.
const MAX_SLICES: usize = 8;
/// Filters that look at a value's surface only, or weigh it themselves.
const CHEAP_FILTERS: [&str; 15] = [
    "length",
    "count",
    "first",
    "last",
    "default",
    "d",
    "list",
    "bool",
    "string",
    "tojson",
    "join",
    "wick_fenced",
    WEIGH,
    FACTOR,
    TICK,
];
/// Tests that look at a value's kind.
const CHEAP_TESTS: [&str; 16] = [
    "defined",
    "undefined",
    "none",
    "string",
    "mapping",
    "sequence",
    "iterable",
    "number",
    "integer",
    "float",
    "boolean",
    "true",
    "false",
    "odd",
    "even",
    "filter",
];
/// Functions of Jinja's own, and methods, that may look into their arguments. Macros do it with operators of their own.
const HEAVY_CALLS: [&str; 9] = [
    "range",
    "dict",
    "namespace",
    "cycler",
    "joiner",
    "lipsum",
    "raise_exception",
    "strftime_now",
    "changed",
];
/// Words between operands. minijinja also takes them as names, which would hide what they name from this walk: they are
/// refused.
const WORDS: [&str; 7] = ["and", "or", "not", "in", "is", "if", "else"];
const WORD_AS_NAME: &str = "it uses a word of the language as a name";

/// What is put behind a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    Filter(&'static str),
    /// Brackets around a test's argument that has none: a filter behind it would be the test's.
    Open,
    Close,
}

impl Added {
    pub(super) fn text(self) -> String {
        match self {
            Self::Filter(name) => format!("|{name}"),
            Self::Open => "(".into(),
            Self::Close => ")".into(),
        }
    }
}

/// What an open bracket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// Of a filter, test or function that looks into its arguments.
    HeavyArguments,
    Arguments,
    Group,
    List,
    Map,
    Subscript,
}

/// Where the walk stands within one bracket.
#[derive(Debug, Clone, Copy)]
struct Level {
    bracket: Bracket,
    /// The operator before the operand that is being read.
    operator: Option<&'static str>,
    /// Slices and subscripts of the operand so far.
    subscripts: usize,
    slices: usize,
    /// Whether a colon stood in it, which makes a subscript a slice.
    colon: bool,
    /// Whether the operand is the argument of a test and has brackets of ours.
    argument: bool,
}

impl Level {
    fn new(bracket: Bracket) -> Self {
        Self {
            bracket,
            operator: None,
            subscripts: 0,
            slices: 0,
            colon: false,
            argument: false,
        }
    }
}

/// What a tag is that is no tag like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    Loop,
    /// It begins with a filter's name.
    Filter,
    Other,
}

/// A walk over the tokens of one tag.
pub(super) struct Walk<'a> {
    tokens: &'a [&'a Token<'a>],
    levels: Vec<Level>,
    /// What kind of tag it is.
    head: Head,
    /// Whether an operand is to come.
    expects: bool,
    /// Behind which token what goes.
    found: Vec<(usize, Added)>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tokens: &'a [&'a Token<'a>], head: Head) -> Self {
        Self {
            tokens,
            head,
            expects: true,
            levels: vec![Level::new(Bracket::Group)],
            found: Vec::new(),
        }
    }

    /// What goes where, in order.
    pub(super) fn insertions(mut self) -> Result<Vec<(usize, Added)>, &'static str> {
        for at in 0..self.tokens.len() {
            self.token(at)?;
        }
        Ok(self.found)
    }

    fn token(&mut self, at: usize) -> Result<(), &'static str> {
        match self.tokens[at] {
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                let bracket = self.opened(at);
                self.levels.push(Level::new(bracket));
                self.expects = true;
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                self.expects = false;
                self.close(at)?;
            }
            Token::Ident(word) => self.word(at, word)?,
            token if is_literal(token) => {
                self.expects = false;
                self.literal_end(at);
            }
            token => {
                self.expects = true;
                match token {
                    Token::Colon => self.level().colon = true,
                    Token::Comma | Token::Assign => self.level().operator = None,
                    _ => {}
                }
                if let Some(filter) = operator(token) {
                    self.level().operator = Some(filter);
                }
            }
        }
        Ok(())
    }

    /// A name, or one of the [`WORDS`].
    fn word(&mut self, at: usize, word: &str) -> Result<(), &'static str> {
        let before = at.checked_sub(1).map(|before| self.tokens[before]);
        let is_name =
            !WORDS.contains(&word) || matches!(before, Some(Token::Dot)) || self.names_a_test(at);
        if is_name {
            self.expects = false;
            if !self.says_recursive(at, word) {
                self.operand_end(at);
            }
            return Ok(());
        }
        if self.expects {
            let after_operator = before.is_some_and(|token| operator(token).is_some());
            let after_in = matches!(before, Some(Token::Ident("in")));
            if word != "not" || after_operator || after_in {
                return Err(WORD_AS_NAME);
            }
            return Ok(());
        }
        if word == "in" {
            self.level().operator = Some(WEIGH);
        }
        // `not` is the first half of `not in`.
        self.expects = word != "not";
        Ok(())
    }

    /// Whether it is the last word of a loop's head.
    fn says_recursive(&self, at: usize, word: &str) -> bool {
        let ends_operand = |token: &Token| match token {
            Token::Ident(word) => !WORDS.contains(word),
            Token::ParenClose
            | Token::BracketClose
            | Token::BraceClose
            | Token::Str(_)
            | Token::String(_) => true,
            _ => false,
        };
        self.head == Head::Loop
            && word == "recursive"
            && at + 1 == self.tokens.len()
            && at > 0
            && ends_operand(self.tokens[at - 1])
    }

    fn level(&mut self) -> &mut Level {
        if self.levels.is_empty() {
            // More was closed than opened: minijinja will refuse it.
            self.levels.push(Level::new(Bracket::Group));
        }
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    fn close(&mut self, at: usize) -> Result<(), &'static str> {
        let closed = self.levels.pop();
        let level = self.level();
        if let Some(closed) = closed.filter(|closed| closed.bracket == Bracket::Subscript) {
            level.subscripts += 1;
            level.slices += usize::from(closed.colon);
            if level.slices > MAX_SLICES {
                return Err("it slices slices too often");
            }
        }
        self.operand_end(at);
        Ok(())
    }

    fn next(&self, at: usize) -> Option<&'a Token<'a>> {
        self.tokens.get(at + 1).copied()
    }

    /// What the bracket at `at` opens.
    fn opened(&self, at: usize) -> Bracket {
        // A test's argument without brackets may begin with one.
        let bare =
            at > 0 && self.names_a_test(at - 1) && !matches!(self.tokens[at], Token::ParenOpen);
        let after_operand = !self.expects && !bare;
        match (self.tokens[at], after_operand) {
            (Token::BraceOpen, _) => Bracket::Map,
            (Token::BracketOpen, true) => Bracket::Subscript,
            (Token::BracketOpen, false) => Bracket::List,
            (_, false) => Bracket::Group,
            (_, true) if self.is_heavy(at - 1) => Bracket::HeavyArguments,
            (_, true) => Bracket::Arguments,
        }
    }

    /// Whether what is called by the name at `at` looks into its arguments.
    fn is_heavy(&self, at: usize) -> bool {
        let Token::Ident(name) = self.tokens[at] else {
            return false;
        };
        if self.names_a_filter(at) {
            !CHEAP_FILTERS.contains(name) || *name == "join"
        } else if self.names_a_test(at) {
            !CHEAP_TESTS.contains(name)
        } else {
            HEAVY_CALLS.contains(name)
        }
    }

    fn names_a_filter(&self, at: usize) -> bool {
        match at.checked_sub(1) {
            Some(before) => matches!(self.tokens[before], Token::Pipe),
            None => self.head == Head::Filter,
        }
    }

    /// Whether it stands behind `is` or `is not`.
    fn names_a_test(&self, at: usize) -> bool {
        let is = |back: usize, word: &str| {
            let token = at.checked_sub(back).map(|at| self.tokens[at]);
            let dotted = at.checked_sub(back + 1).map(|at| self.tokens[at]);
            matches!(token, Some(Token::Ident(found)) if *found == word)
                && !matches!(dotted, Some(Token::Dot))
        };
        let not = matches!(self.tokens[at], Token::Ident("not"));
        !not && (is(1, "is") || is(1, "not") && is(2, "is"))
    }

    fn add(&mut self, at: usize, filter: &'static str) {
        self.found.push((at, Added::Filter(filter)));
    }

    /// A literal weighs nothing, but ends an operand.
    fn literal_end(&mut self, at: usize) {
        let next = self.next(at);
        // Texts that stand side by side are one.
        if continues(next) || matches!(next, Some(Token::Str(_) | Token::String(_))) {
            return;
        }
        if std::mem::take(&mut self.level().argument) {
            self.found.push((at, Added::Close));
        }
        if !matches!(next, Some(Token::Pipe | Token::Ident("is"))) {
            let level = self.level();
            (level.operator, level.subscripts, level.slices) = (None, 0, 0);
        }
    }

    /// After a token that an operand can end with.
    fn operand_end(&mut self, at: usize) {
        let next = self.next(at);
        if self.names_a_test(at) && begins(next) {
            self.found.push((at, Added::Open));
            self.level().argument = true;
            return;
        }
        if continues(next) {
            return;
        }
        if std::mem::take(&mut self.level().argument) {
            self.add(at, WEIGH);
            self.found.push((at, Added::Close));
        }
        let goes_on = match next {
            Some(Token::Pipe) => self.weighs(at + 2, &CHEAP_FILTERS),
            Some(Token::Ident("is")) => {
                let not = matches!(self.next(at + 1), Some(Token::Ident("not")));
                self.weighs(at + 2 + usize::from(not), &CHEAP_TESTS)
            }
            _ => None,
        };
        match goes_on {
            Some(weighs) if weighs || self.level().slices > 0 => self.add(at, WEIGH),
            Some(_) => {}
            None => self.final_end(at),
        }
    }

    /// After an operand, its filters and tests included.
    fn final_end(&mut self, at: usize) {
        let next = self.next(at);
        let level = *self.level();
        let ahead = match next {
            Some(Token::Ident("in")) => Some(WEIGH),
            Some(Token::Ident("not")) => {
                matches!(self.next(at + 1), Some(Token::Ident("in"))).then_some(WEIGH)
            }
            Some(token) => operator(token),
            None => None,
        };
        let inner = match (level.bracket, next) {
            (Bracket::Map | Bracket::Subscript, Some(Token::Colon))
            | (Bracket::Subscript, Some(Token::BracketClose))
            | (Bracket::HeavyArguments, Some(Token::Comma | Token::ParenClose)) => true,
            _ => level.subscripts > 0,
        };
        let looped = self.head == Head::Loop && self.levels.len() == 1;
        let wanted = [
            level.operator,
            ahead,
            inner.then_some(WEIGH),
            looped.then_some(TICK),
        ];
        let wanted = wanted.into_iter().flatten();
        if let Some(filter) = wanted.reduce(strongest) {
            self.add(at, filter);
        }
        let level = self.level();
        (level.operator, level.subscripts, level.slices) = (None, 0, 0);
    }

    /// Whether the filter or test whose name stands at `at` wants its value weighed; `None`: there is no name.
    fn weighs(&self, at: usize, cheap: &[&str]) -> Option<bool> {
        match self.tokens.get(at) {
            Some(Token::Ident(name)) => Some(!cheap.contains(name)),
            _ => None,
        }
    }
}

/// The one of two filters that does what the other does too.
fn strongest(one: &'static str, other: &'static str) -> &'static str {
    match (one, other) {
        (FACTOR, _) | (_, FACTOR) => FACTOR,
        (WEIGH, _) | (_, WEIGH) => WEIGH,
        _ => TICK,
    }
}

/// Whether an operand goes on with this token.
fn continues(next: Option<&Token>) -> bool {
    matches!(
        next,
        Some(Token::Dot | Token::BracketOpen | Token::ParenOpen)
    )
}

/// Whether a test's argument without brackets begins with this token.
fn begins(next: Option<&Token>) -> bool {
    match next {
        Some(Token::Ident(word)) => !WORDS.contains(word),
        Some(Token::Plus | Token::Minus | Token::BracketOpen | Token::BraceOpen) => true,
        Some(token) => is_literal(token),
        None => false,
    }
}

fn is_literal(token: &Token) -> bool {
    matches!(
        token,
        Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Int128(_) | Token::Float(_)
    )
}

/// The filter for the operands of an operator.
fn operator(token: &Token) -> Option<&'static str> {
    match token {
        Token::Mul => Some(FACTOR),
        Token::Eq
        | Token::Ne
        | Token::Lt
        | Token::Lte
        | Token::Gt
        | Token::Gte
        | Token::Plus
        | Token::Tilde
        | Token::Mod => Some(WEIGH),
        _ => None,
    }
}

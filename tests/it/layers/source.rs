//! Reads the paths out of a Rust source text: enough of the language to see every import and every
//! qualified name, grouped and nested ones included, and nothing in comments or literals.

/// One path as it stands in the text, for example `["crate", "domain", "Window"]`.
#[derive(Debug, PartialEq)]
pub(super) struct SourcePath {
    /// Line, from 1.
    pub(super) line: usize,
    /// Its names; `*` for a glob.
    pub(super) names: Vec<String>,
    /// Inline modules (`mod tests { … }`) around it.
    pub(super) n_inline_mods: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    /// `::`
    Sep,
    Mark(char),
}

type Tokens = [(usize, Token)];

/// Every path of two names or more, and whatever a `use` or `extern crate` names.
pub(super) fn paths(text: &str) -> Vec<SourcePath> {
    let tokens = tokens(text);
    let word = |i: usize| match tokens.get(i) {
        Some((_, Token::Word(word))) => word.as_str(),
        _ => "",
    };
    let is = |i: usize, token: &Token| tokens.get(i).is_some_and(|(_, t)| t == token);
    let (mut found, mut depth, mut mods, mut i) = (Vec::new(), 0_usize, Vec::new(), 0);
    while i < tokens.len() {
        let line = tokens[i].0;
        let mut names = Vec::new();
        let mut next = i + 1;
        match &tokens[i].1 {
            Token::Mark('{') => depth += 1,
            Token::Mark('}') => {
                depth = depth.saturating_sub(1);
                mods.retain(|&outer| outer < depth);
            }
            Token::Word(name) if name == "mod" && is(i + 2, &Token::Mark('{')) => mods.push(depth),
            Token::Word(name) if name == "use" && !is(i + 1, &Token::Mark('<')) => {
                let start = i + 1 + usize::from(is(i + 1, &Token::Sep));
                next = tree(&tokens, start, &[], &mut names);
            }
            Token::Word(name) if name == "extern" && word(i + 1) == "crate" => {
                names.push(vec![word(i + 2).to_owned()]);
                next = i + 3;
            }
            Token::Word(_) if is(i + 1, &Token::Sep) => {
                next = tree(&tokens, i, &[], &mut names);
                // `collect::<…>`: a name with its types is no path.
                names.retain(|path| path.len() > 1);
            }
            _ => {}
        }
        let n_inline_mods = mods.len();
        found.extend(names.into_iter().map(|names| SourcePath { line, names, n_inline_mods }));
        i = next;
    }
    found
}

/// Reads a use tree or a path that starts at `i`, adds its leaves, returns the position after it.
fn tree(tokens: &Tokens, i: usize, prefix: &[String], leaves: &mut Vec<Vec<String>>) -> usize {
    let extended = |name: &str| [prefix, &[name.to_owned()]].concat();
    match tokens.get(i).map(|(_, token)| token) {
        Some(Token::Word(name)) => {
            let opens = |token: &Token| !matches!(token, Token::Mark(c) if !"{*".contains(*c));
            let goes_on = matches!(tokens.get(i + 1), Some((_, Token::Sep)))
                && tokens.get(i + 2).is_some_and(|(_, token)| opens(token));
            if goes_on {
                return tree(tokens, i + 2, &extended(name), leaves);
            }
            leaves.push(extended(name));
            i + 1
        }
        Some(Token::Mark('*')) => {
            leaves.push(extended("*"));
            i + 1
        }
        Some(Token::Mark('{')) => group(tokens, i + 1, prefix, leaves),
        _ => i + 1,
    }
}

/// Reads the members of a group up to its closing brace; `as` and new names are passed over.
fn group(tokens: &Tokens, from: usize, prefix: &[String], leaves: &mut Vec<Vec<String>>) -> usize {
    let mut i = from;
    let mut expects_member = true;
    while let Some((_, token)) = tokens.get(i) {
        match token {
            Token::Mark('}') => return i + 1,
            Token::Mark(',') => expects_member = true,
            Token::Sep => {}
            _ if expects_member => {
                expects_member = false;
                i = tree(tokens, i, prefix, leaves);
                continue;
            }
            _ => {}
        }
        i += 1;
    }
    i
}

fn tokens(text: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut line, mut i) = (Vec::new(), 1, 0);
    while let Some(&c) = chars.get(i) {
        let rest = &chars[i..];
        let (len, token) = if let Some(len) = comment(rest).or_else(|| literal(rest)) {
            (len, None)
        } else if c.is_alphanumeric() || c == '_' {
            let len = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
            let word: String = rest[..len].iter().collect();
            (len, (!c.is_ascii_digit()).then_some(Token::Word(word)))
        } else if rest.starts_with(&[':', ':']) {
            (2, Some(Token::Sep))
        } else {
            (1, (!c.is_whitespace()).then_some(Token::Mark(c)))
        };
        out.extend(token.map(|token| (line, token)));
        line += rest[..len].iter().filter(|c| **c == '\n').count();
        i += len;
    }
    out
}

/// Length of the comment that begins here.
fn comment(rest: &[char]) -> Option<usize> {
    if rest.starts_with(&['/', '/']) {
        return Some(rest.iter().take_while(|c| **c != '\n').count());
    }
    let mut depth = 0_usize;
    let mut i = 0;
    loop {
        let here = rest.get(i..).unwrap_or_default();
        let step = match here {
            ['/', '*', ..] => {
                depth += 1;
                2
            }
            ['*', '/', ..] if depth > 0 => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        if i == 0 && depth == 0 {
            return None;
        }
        i += step;
        if depth == 0 || here.is_empty() {
            return Some(i.min(rest.len()));
        }
    }
}

/// Length of the string or character that begins here, prefixes such as `br#` included.
fn literal(rest: &[char]) -> Option<usize> {
    let prefix = rest.iter().take_while(|c| "bcr".contains(**c)).count();
    let body = &rest[prefix..];
    let n_hashes = body.iter().take_while(|c| **c == '#').count();
    if rest[..prefix].contains(&'r') && body.get(n_hashes) == Some(&'"') {
        let end = format!("\"{}", "#".repeat(n_hashes)).chars().collect::<Vec<_>>();
        let start = n_hashes + 1;
        let at = body[start..].windows(end.len()).position(|window| window == end);
        return Some(at.map_or(rest.len(), |at| prefix + start + at + end.len()));
    }
    match body {
        ['"', ..] => Some(prefix + quoted(body, '"')),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => Some(prefix + quoted(body, '\'')),
        // A lifetime's tick.
        _ => None,
    }
}

fn quoted(body: &[char], quote: char) -> usize {
    let mut i = 1;
    while let Some(&c) = body.get(i) {
        match c {
            '\\' => i += 2,
            c if c == quote && !(quote == '\'' && i == 1) => return i + 1,
            _ => i += 1,
        }
    }
    body.len()
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let check = |text: &str, expected: &[&str]| {
        let found: Vec<String> = paths(text).iter().map(|path| path.names.join("::")).collect();
        assert_eq!(found, expected, "{text}");
    };
    check(
        "use crate::{a::x as y, b::{self, *}};",
        &["crate::a::x", "crate::b::self", "crate::b::*"],
    );
    check("pub(crate) use ::serde::Serialize;", &["serde::Serialize"]);
    check("let x = crate::a::f::<u8>(b::C { d: 1 });", &["crate::a::f", "b::C"]);
    check("#[derive(serde::Serialize)] struct S<'a>(&'a u8);", &["serde::Serialize"]);
    check("macro_rules! m { () => { $crate::a::b!() } }", &["crate::a::b"]);
    check("extern crate rusqlite; fn f() -> impl use<'a> Sized {}", &["rusqlite"]);
    check("// crate::a\n/* crate::b /* c::d */ e::f */ //! crate::g", &[]);
    check(r##"f("crate::a", r#"crate::"b"#, b"c::d\"", '"', '\'', 'x'); i::j"##, &["i::j"]);
    check("<T as crate::a::Tr>::B; x.y::<crate::c::D>()", &["crate::a::Tr", "crate::c::D"]);
}

#[test]
fn inline_modules_and_lines_are_counted() {
    let text = "fn f() { a::b() }\nmod tests {\n  mod inner { use super::x; }\n  c::d\n}\ne::f";
    let found: Vec<(usize, usize)> =
        paths(text).iter().map(|p| (p.line, p.n_inline_mods)).collect();
    assert_eq!(found, [(1, 0), (3, 2), (4, 1), (6, 0)]);
}

//! Cuts T-SQL into tokens, as far as the translation needs to tell them apart.

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword, a plain name, a parameter or a variable.
    Word(String),
    /// A name in brackets or double quotes, without them.
    Name(String),
    /// A text literal with its quotes, `N` in front dropped.
    Text(String),
    /// A number, or bytes (`0x…`) as SQLite writes them.
    Number(String),
    /// Anything else, one character.
    Symbol(char),
}

impl Token {
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own.eq_ignore_ascii_case(word))
    }

    pub(super) fn is_symbol(&self, symbol: char) -> bool {
        *self == Self::Symbol(symbol)
    }

    /// The name that this may be.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) if !name.starts_with('@') => Some(name),
            Self::Name(name) => Some(name),
            _ => None,
        }
    }
}

/// All tokens of a text, comments dropped.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        match (c, next) {
            ('-', Some('-')) => at = end(&chars, at, |c| c != '\n'),
            ('/', Some('*')) => at = comment_end(&chars, at + 2),
            ('N' | 'n', Some('\'')) => at += 1,
            ('\'', _) => {
                let (text, after) = quoted(&chars, at + 1, '\'');
                tokens.push(Token::Text(format!("'{}'", text.replace('\'', "''"))));
                at = after;
            }
            ('[', _) => {
                let (name, after) = quoted(&chars, at + 1, ']');
                tokens.push(Token::Name(name));
                at = after;
            }
            ('"', _) => {
                let (name, after) = quoted(&chars, at + 1, '"');
                tokens.push(Token::Name(name));
                at = after;
            }
            ('0', Some('x' | 'X')) => {
                let after = end(&chars, at + 2, |c| c.is_ascii_hexdigit());
                let digits: String = chars[at + 2..after].iter().collect();
                tokens.push(Token::Number(format!("x'{digits}'")));
                at = after;
            }
            (c, _) if c.is_ascii_digit() => {
                let after = end(&chars, at, |c| c.is_ascii_digit() || c == '.' || c == 'e');
                tokens.push(Token::Number(chars[at..after].iter().collect()));
                at = after;
            }
            (c, _) if c.is_alphabetic() || "_@#".contains(c) => {
                let after = end(&chars, at, |c| c.is_alphanumeric() || "_@#$".contains(c));
                tokens.push(Token::Word(chars[at..after].iter().collect()));
                at = after;
            }
            (c, _) => {
                if !c.is_whitespace() {
                    tokens.push(Token::Symbol(c));
                }
                at += 1;
            }
        }
    }
    tokens
}

fn end(chars: &[char], from: usize, inside: impl Fn(char) -> bool) -> usize {
    chars[from..].iter().position(|&c| !inside(c)).map_or(chars.len(), |n| from + n)
}

fn comment_end(chars: &[char], from: usize) -> usize {
    let closing = chars[from..].windows(2).position(|pair| pair == ['*', '/']);
    closing.map_or(chars.len(), |n| from + n + 2)
}

/// The text up to a closing character, doubled ones taken for one; and where it ends.
fn quoted(chars: &[char], from: usize, closing: char) -> (String, usize) {
    let mut text = String::new();
    let mut at = from;
    while let Some(&c) = chars.get(at) {
        at += 1;
        if c == closing {
            if chars.get(at) != Some(&closing) {
                break;
            }
            at += 1;
        }
        text.push(c);
    }
    (text, at)
}

/// The statements of a batch: cut at semicolons outside of parentheses, empty ones dropped.
pub(super) fn statements(tokens: &[Token]) -> Vec<&[Token]> {
    split(tokens, |token| token.is_symbol(';')).into_iter().filter(|s| !s.is_empty()).collect()
}

/// The pieces between separators outside of parentheses.
pub(super) fn split(tokens: &[Token], separates: impl Fn(&Token) -> bool) -> Vec<&[Token]> {
    let mut depth = 0;
    tokens
        .split(|token| {
            match token {
                Token::Symbol('(') => depth += 1,
                Token::Symbol(')') => depth -= 1,
                _ => {}
            }
            depth == 0 && separates(token)
        })
        .collect()
}

/// What stands between an opening parenthesis at the beginning and its closing one, and what
/// follows it.
pub(super) fn parenthesized(tokens: &[Token]) -> Option<(&[Token], &[Token])> {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (at > 0).then(|| (&tokens[1..at], &tokens[at + 1..]));
        }
    }
    None
}

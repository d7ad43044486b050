//! Looks a query of the settings over before the server sees it: one `SELECT`, as it can stand in
//! parentheses after `FROM`.
//!
//! No parser: it tells strings, names and comments from the rest, counts parentheses, and finds
//! semicolons. Everything else is the server's to judge.

/// Why a query cannot be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryFault {
    /// Nothing but blanks and comments.
    #[error("is empty")]
    Empty,
    /// It begins with `WITH`.
    #[error("begins with `WITH`")]
    With,
    /// It begins with something else than `SELECT`.
    #[error("does not begin with `SELECT`")]
    NoSelect,
    /// Something follows a semicolon.
    #[error("has more than one statement")]
    Several,
    /// A string, a name, a comment or a parenthesis is left open, or one is closed that was not.
    #[error("has unmatched quotation marks, brackets, comments or parentheses")]
    Unmatched,
}

impl QueryFault {
    /// What the operator can do.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::Empty => "set `sqlserver.query`, or `sqlserver.table`",
            Self::With => {
                "make it a view and name that in `sqlserver.table`, or write the part after \
                 `WITH` as a subquery"
            }
            Self::NoSelect | Self::Several => {
                "write one `SELECT` statement, or make it a view and name that in \
                 `sqlserver.table`"
            }
            Self::Unmatched => "try the query in a client of the database first",
        }
    }
}

/// The statement without what ends it.
pub(super) fn single_select(query: &str) -> Result<&str, QueryFault> {
    let mut scan = Scan { rest: query, depth: 0 };
    let mut first_word = None;
    let mut end = query.len();
    while let Some(piece) = scan.next()? {
        let at = query.len() - scan.rest.len() - piece.text.len();
        match piece.kind {
            Kind::Blank => {}
            // Trailing semicolons are forgiven, and whatever says nothing after them.
            Kind::Semicolon if first_word.is_none() => return Err(QueryFault::NoSelect),
            Kind::Semicolon => end = end.min(at),
            _ if end < query.len() => return Err(QueryFault::Several),
            kind => {
                first_word.get_or_insert(if kind == Kind::Word { piece.text } else { "" });
            }
        }
    }
    if scan.depth != 0 {
        return Err(QueryFault::Unmatched);
    }
    match first_word.map(str::to_ascii_uppercase).as_deref() {
        None => Err(QueryFault::Empty),
        // A parenthesis may open the first of several parts of a UNION.
        Some("SELECT" | "") => Ok(query[..end].trim()),
        Some("WITH") => Err(QueryFault::With),
        Some(_) => Err(QueryFault::NoSelect),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Blanks and comments.
    Blank,
    Semicolon,
    Word,
    /// Strings, quoted names, marks.
    Other,
}

struct Piece<'a> {
    kind: Kind,
    text: &'a str,
}

struct Scan<'a> {
    rest: &'a str,
    /// Parentheses open.
    depth: usize,
}

impl<'a> Scan<'a> {
    fn next(&mut self) -> Result<Option<Piece<'a>>, QueryFault> {
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let (kind, length) = match first {
            '-' if self.rest.starts_with("--") => {
                (Kind::Blank, self.rest.find('\n').map_or(self.rest.len(), |at| at + 1))
            }
            '/' if self.rest.starts_with("/*") => (Kind::Blank, comment_length(self.rest)?),
            '\'' | '"' => (Kind::Other, quoted_length(self.rest, first)?),
            '[' => (Kind::Other, quoted_length(self.rest, ']')?),
            '(' => {
                self.depth += 1;
                (Kind::Other, 1)
            }
            ')' => {
                self.depth = self.depth.checked_sub(1).ok_or(QueryFault::Unmatched)?;
                (Kind::Other, 1)
            }
            ';' => (Kind::Semicolon, 1),
            c if c.is_whitespace() => (Kind::Blank, c.len_utf8()),
            c if is_word(c) => {
                (Kind::Word, self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len()))
            }
            c => (Kind::Other, c.len_utf8()),
        };
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(Some(Piece { kind, text }))
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '@' | '#' | '$')
}

/// Length of a string or name, its quotes included; a quote inside is doubled.
fn quoted_length(text: &str, close: char) -> Result<usize, QueryFault> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == close && chars.next_if(|&(_, next)| next == close).is_none() {
            return Ok(at + 1);
        }
    }
    Err(QueryFault::Unmatched)
}

/// Length of a comment `/* … */`; T-SQL's may hold others.
fn comment_length(text: &str) -> Result<usize, QueryFault> {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Ok(at);
            }
        } else {
            at += 1;
        }
    }
    Err(QueryFault::Unmatched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_select_passes_whatever_its_strings_hold() {
        let check = |query: &str, expected: &str| {
            assert_eq!(single_select(query), Ok(expected), "{query}");
        };
        check(" SELECT * FROM a ; ; -- over\n/* x; */ ", "SELECT * FROM a");
        check("select ';' AS [;], \"a;b\" FROM f(')')", "select ';' AS [;], \"a;b\" FROM f(')')");
        check("-- why; so\nSELECT 'it''s' AS x", "-- why; so\nSELECT 'it''s' AS x");
        check("/* a /* b */ ; */ SELECT 1 AS ä", "/* a /* b */ ; */ SELECT 1 AS ä");
        check("(SELECT 1 AS a) UNION ALL (SELECT 2)", "(SELECT 1 AS a) UNION ALL (SELECT 2)");
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        let check = |query: &str, expected: QueryFault| {
            assert_eq!(single_select(query), Err(expected), "{query}");
        };
        check(" -- nothing\n", QueryFault::Empty);
        check("", QueryFault::Empty);
        check("WITH a AS (SELECT 1 AS x) SELECT * FROM a", QueryFault::With);
        check("EXEC p", QueryFault::NoSelect);
        check(";SELECT 1", QueryFault::NoSelect);
        check("SELECT 1 AS a; SELECT 2 AS b", QueryFault::Several);
        check("SELECT 1 AS a; DROP TABLE x;", QueryFault::Several);
        check("SELECT 1 AS a) AS x; --", QueryFault::Unmatched);
        check("SELECT (1 AS a", QueryFault::Unmatched);
        check("SELECT 'a", QueryFault::Unmatched);
        check("SELECT [a]] FROM b", QueryFault::Unmatched);
        check("SELECT 1 /* a", QueryFault::Unmatched);
    }
}

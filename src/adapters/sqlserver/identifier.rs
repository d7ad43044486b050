//! Names of databases, schemas, tables and columns: read, checked, and quoted for a statement.
//!
//! Names cannot be parameters of a statement, so that whatever comes from the settings passes
//! through here before it stands in one. Rules: "Database identifiers" and `QUOTENAME` in SQL
//! Server's documentation.

use std::fmt;
use std::str::Chars;

/// Longest name, in UTF-16 units: `sysname` is `nvarchar(128)`.
const MAX_UNITS: usize = 128;
/// Database, schema and object; a fourth part would be a linked server.
const MAX_PARTS: usize = 3;

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Nothing, or nothing between two dots.
    #[error("`{text}` is no name: a part of it is empty")]
    Empty {
        /// As it was given.
        text: String,
    },
    /// Longer than SQL Server takes.
    #[error("`{text}` is no name: it is longer than {MAX_UNITS} characters")]
    TooLong {
        /// The part that is too long.
        text: String,
    },
    /// A control character, which no name needs and which would hide what a statement does.
    #[error("`{}` is no name: it holds a control character", .text.escape_debug())]
    Control {
        /// As it was given.
        text: String,
    },
    /// A bracket or a quotation mark that is not closed, or that follows a closed one.
    #[error("`{text}` is no name: its brackets or quotation marks do not match")]
    Unbalanced {
        /// As it was given.
        text: String,
    },
    /// More parts than a database, a schema and an object.
    #[error("`{text}` is no name: it has more than {MAX_PARTS} parts")]
    TooManyParts {
        /// As it was given.
        text: String,
    },
}

/// One name, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier(String);

impl Identifier {
    /// Checks one name, taken as it is: a dot or a bracket in it is part of the name.
    ///
    /// # Errors
    /// [`IdentifierError`] where SQL Server could not have such a name.
    pub fn new(name: &str) -> Result<Self, IdentifierError> {
        let text = name.to_owned();
        if name.trim().is_empty() {
            return Err(IdentifierError::Empty { text });
        }
        if name.chars().any(char::is_control) {
            return Err(IdentifierError::Control { text });
        }
        if name.encode_utf16().count() > MAX_UNITS {
            return Err(IdentifierError::TooLong { text });
        }
        Ok(Self(text))
    }

    /// The name itself, to be compared with those of the catalogue.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in brackets, as it may stand in a statement.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("[{}]", self.0.replace(']', "]]"))
    }
}

/// As in a statement.
impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.quoted())
    }
}

/// A table or view, with its schema and database where they are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// Database, where it is not that of the connection.
    pub database: Option<Identifier>,
    /// Schema, where it is not the login's own.
    pub schema: Option<Identifier>,
    /// The object.
    pub object: Identifier,
}

impl ObjectName {
    /// Reads `name`, `schema.name` or `database.schema.name`; each part bare, in `[brackets]` with
    /// `]]` for a bracket, or in `"quotation marks"` with `""` for one.
    ///
    /// # Errors
    /// [`IdentifierError`] where it is not of that form.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let mut parts = split(text)?;
        if parts.len() > MAX_PARTS {
            return Err(IdentifierError::TooManyParts { text: text.to_owned() });
        }
        let empty = || IdentifierError::Empty { text: text.to_owned() };
        let object = parts.pop().ok_or_else(empty)?;
        let schema = parts.pop();
        let database = parts.pop();
        Ok(Self { database, schema, object })
    }
}

/// As in a statement: every part in brackets.
impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.database, &self.schema].into_iter().flatten() {
            write!(f, "{part}.")?;
        }
        self.object.fmt(f)
    }
}

fn split(text: &str) -> Result<Vec<Identifier>, IdentifierError> {
    let mut parts = Vec::new();
    let mut rest = text.trim().chars();
    loop {
        let part = next_part(&mut rest, text)?;
        parts.push(Identifier::new(&part).map_err(|error| match error {
            IdentifierError::Empty { .. } => IdentifierError::Empty { text: text.to_owned() },
            other => other,
        })?);
        match rest.next() {
            None => return Ok(parts),
            Some('.') => {}
            Some(_) => return Err(IdentifierError::Unbalanced { text: text.to_owned() }),
        }
    }
}

/// The next part, unquoted; leaves the dot behind it, or the end.
fn next_part(rest: &mut Chars<'_>, text: &str) -> Result<String, IdentifierError> {
    let blanks = rest.as_str().len() - rest.as_str().trim_start().len();
    *rest = rest.as_str()[blanks..].chars();
    let closing = match rest.clone().next() {
        Some('[') => ']',
        Some('"') => '"',
        _ => return bare_part(rest, text),
    };
    rest.next();
    let mut part = String::new();
    loop {
        match rest.next() {
            None => return Err(IdentifierError::Unbalanced { text: text.to_owned() }),
            Some(c) if c != closing => part.push(c),
            Some(c) if rest.clone().next() == Some(closing) => {
                rest.next();
                part.push(c);
            }
            Some(_) => break,
        }
    }
    *rest = rest.as_str().trim_start().chars();
    Ok(part)
}

fn bare_part(rest: &mut Chars<'_>, text: &str) -> Result<String, IdentifierError> {
    let end = rest.as_str().find('.').unwrap_or(rest.as_str().len());
    let (part, behind) = rest.as_str().split_at(end);
    if part.contains(['[', ']', '"']) {
        return Err(IdentifierError::Unbalanced { text: text.to_owned() });
    }
    *rest = behind.chars();
    Ok(part.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read_and_quoted() {
        let check = |text: &str, expected: &str| {
            assert_eq!(ObjectName::parse(text).unwrap().to_string(), expected, "{text}");
        };
        check("incident", "[incident]");
        check(" dbo.incident ", "[dbo].[incident]");
        check("cad.dbo.incident", "[cad].[dbo].[incident]");
        check("[odd na]]me]", "[odd na]]me]");
        check("[a.b].[c d]", "[a.b].[c d]");
        check("\"it's\".\"a \"\"b\"\"\"", "[it's].[a \"b\"]");
        check("dbo . [x]", "[dbo].[x]");
        check("two words", "[two words]");
        check("x; DROP TABLE y--", "[x; DROP TABLE y--]");
        check("Einsätze.日", "[Einsätze].[日]");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let check = |text: &str, part: &str| {
            let error = ObjectName::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        };
        for text in ["", "  ", "dbo.", ".x", "a..b", "[]", "[ ].x"] {
            check(text, "empty");
        }
        for text in ["[a", "a]", "a[b]", "[a]b", "\"a", "[a].b]"] {
            check(text, "do not match");
        }
        check("a.b.c.d", "more than 3 parts");
        check("a\0b", "control character");
        check("[a\nb]", "control character");
        check(&"x".repeat(129), "longer than 128");
        assert!(Identifier::new(&"x".repeat(128)).is_ok());
        // Two UTF-16 units each.
        assert!(Identifier::new(&"🚒".repeat(65)).is_err());
    }

    proptest! {
        #[test]
        fn a_quoted_name_is_read_back(parts in prop::collection::vec("[^\\p{Cc}]{1,20}", 1..=3)) {
            prop_assume!(parts.iter().all(|part| !part.trim().is_empty()));
            let names: Vec<_> = parts.iter().map(|part| Identifier::new(part).unwrap()).collect();
            let text: Vec<_> = names.iter().map(Identifier::quoted).collect();
            let text = text.join(".");
            let read = ObjectName::parse(&text).unwrap();
            prop_assert_eq!(read.to_string(), text);
            prop_assert_eq!(read.object.as_str(), parts.last().unwrap());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,12}[\\[\\]\". a]{0,12}") {
            if let Ok(name) = ObjectName::parse(&text) {
                let quoted = name.to_string();
                prop_assert_eq!(ObjectName::parse(&quoted).unwrap(), name);
            }
        }
    }
}

//! What a statement's text says about itself: its name, and whether it is one of those that the
//! server answers on its own.

/// The name on the first line of a text: `-- name` or `-- name: why`.
pub(super) fn name(text: &str) -> Option<&str> {
    let comment = text.trim_start().lines().next()?.strip_prefix("--")?.trim();
    let name = comment.split_once(':').map_or(comment, |(name, _)| name);
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!name.is_empty() && name.bytes().all(valid)).then_some(name)
}

/// What a batch is to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Batch {
    /// A statement for the backend.
    Statement,
    /// `BEGIN TRANSACTION` by itself.
    Begin,
    /// `COMMIT` by itself.
    Commit,
    /// `SAVE TRANSACTION name` by itself.
    Save(String),
    /// `ROLLBACK` by itself, perhaps only if there is a transaction.
    Rollback {
        /// The savepoint to go back to; empty for the whole transaction.
        savepoint: String,
        /// Whether it is `IF @@TRANCOUNT > 0 ROLLBACK`.
        if_open: bool,
    },
    /// `SELECT TOP 0 columns FROM table`.
    BulkColumns {
        /// Columns without brackets; `*` for all.
        columns: Vec<String>,
        /// The table as written.
        table: String,
    },
    /// `INSERT BULK table (columns)`.
    InsertBulk {
        /// The table as written.
        table: String,
    },
}

/// Says what a batch is.
pub(super) fn classify(text: &str) -> Batch {
    let code: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.starts_with("--")).collect();
    let code = code.join(" ");
    let code = code.trim().trim_end_matches(';').trim();
    let words: Vec<String> =
        code.split_whitespace().take(12).map(str::to_ascii_uppercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["BEGIN", "TRAN" | "TRANSACTION"] => Batch::Begin,
        ["COMMIT"] | ["COMMIT", "TRAN" | "TRANSACTION" | "WORK"] => Batch::Commit,
        ["SAVE", "TRAN" | "TRANSACTION", _] => Batch::Save(last_word(code)),
        ["ROLLBACK"] | ["ROLLBACK", "TRAN" | "TRANSACTION" | "WORK"] => {
            Batch::Rollback { savepoint: String::new(), if_open: false }
        }
        ["ROLLBACK", "TRAN" | "TRANSACTION", _] => {
            Batch::Rollback { savepoint: last_word(code), if_open: false }
        }
        ["IF", "@@TRANCOUNT", ">", "0", "ROLLBACK"]
        | ["IF", "@@TRANCOUNT", ">", "0", "ROLLBACK", "TRAN" | "TRANSACTION" | "WORK"] => {
            Batch::Rollback { savepoint: String::new(), if_open: true }
        }
        ["INSERT", "BULK", ..] => insert_bulk(code),
        ["SELECT", "TOP", "0", ..] if name(text).is_none() => bulk_columns(code),
        _ => Batch::Statement,
    }
}

fn last_word(code: &str) -> String {
    code.split_whitespace().next_back().map(column_name).unwrap_or_default()
}

/// A name at the beginning of a text, with all its parts, and what follows it.
fn object_name(text: &str) -> (&str, &str) {
    let mut quoted = false;
    let end = text.find(|c| {
        quoted = match c {
            '[' => true,
            ']' => false,
            _ => quoted,
        };
        !quoted && (c.is_whitespace() || c == '(' || c == ';')
    });
    text.split_at(end.unwrap_or(text.len()))
}

fn insert_bulk(code: &str) -> Batch {
    let after = code.splitn(3, char::is_whitespace).nth(2).unwrap_or_default();
    Batch::InsertBulk { table: object_name(after.trim_start()).0.to_owned() }
}

fn bulk_columns(code: &str) -> Batch {
    let list = code.splitn(4, char::is_whitespace).nth(3).unwrap_or_default();
    let upper = list.to_ascii_uppercase();
    let Some(from) = upper.rfind(" FROM ") else { return Batch::Statement };
    let columns = list[..from].split(',').map(column_name).collect();
    let (table, rest) = object_name(list[from + 6..].trim());
    if !rest.trim().is_empty() {
        return Batch::Statement;
    }
    Batch::BulkColumns { columns, table: table.to_owned() }
}

/// A column's name without brackets.
fn column_name(written: &str) -> String {
    let written = written.trim();
    match written.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(name) => name.replace("]]", "]"),
        None => written.to_owned(),
    }
}

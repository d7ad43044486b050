//! Translates T-SQL into what SQLite understands: enough for generated SELECTs and simple changes.

use std::collections::HashMap;

use super::super::backend::Statement;
use super::super::column::{Column, ColumnType};
use super::Table;
use super::storage::quoted;
use super::tokens::{Token, parenthesized, split};

/// Where a statement finds its tables.
pub(super) struct Scope<'a> {
    pub(super) tables: &'a [Table],
    pub(super) statement: &'a Statement,
    /// Tables that the statement names so far.
    pub(super) used: Vec<Table>,
    /// Types of the names that inner SELECTs give to their columns.
    aliases: HashMap<String, ColumnType>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(tables: &'a [Table], statement: &'a Statement) -> Self {
        Self { tables, statement, used: Vec::new(), aliases: HashMap::new() }
    }

    /// Notes the tables of a statement, subqueries included.
    pub(super) fn find_tables(&mut self, tokens: &[Token]) {
        for at in 0..tokens.len() {
            if let Some((table, _)) =
                self.table(&tokens[at..], at > 0 && names_table(&tokens[at - 1]))
            {
                self.used.push(table);
            }
        }
    }

    /// The table named at the beginning, and how many tokens name it.
    fn table(&self, tokens: &[Token], alone: bool) -> Option<(Table, usize)> {
        let find = |name: &str| {
            self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name)).cloned()
        };
        let names: Vec<&str> = split(&tokens[..tokens.len().min(5)], |token| token.is_symbol('.'))
            .into_iter()
            .map_while(|part| part.first().and_then(Token::name))
            .collect();
        let dotted = |at: usize| tokens.get(at).is_some_and(|token| token.is_symbol('.'));
        if let [_, schema, name, ..] = names[..]
            && dotted(1)
            && dotted(3)
            && let Some(table) = find(&format!("{schema}.{name}"))
        {
            return Some((table, 5));
        }
        if let [schema, name, ..] = names[..]
            && dotted(1)
            && let Some(table) = find(&format!("{schema}.{name}"))
        {
            return Some((table, 3));
        }
        let name = names.first().filter(|_| alone)?;
        find(&format!("dbo.{name}")).or_else(|| find(name)).map(|table| (table, 1))
    }

    /// A column of the tables of this statement, by name.
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        let columns = self.used.iter().flat_map(|table| &table.columns);
        columns.into_iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The type of an expression, where its form tells.
    pub(super) fn type_of(&self, tokens: &[Token]) -> Option<ColumnType> {
        match tokens {
            [Token::Number(number)] if number.starts_with('x') => Some(ColumnType::VarBinary(8000)),
            [Token::Number(number)] if number.contains(['.', 'e']) => Some(ColumnType::Float),
            [Token::Number(_)] => Some(ColumnType::Int),
            [Token::Text(_)] => Some(ColumnType::NVarChar(4000)),
            [Token::Word(name)] if name.starts_with('@') => {
                let parameters = &self.statement.parameters;
                parameters.iter().find(|p| p.name.eq_ignore_ascii_case(name)).map(|p| p.kind)
            }
            [name] => self.type_of_name(name.name()?),
            [.., dot, name] if dot.is_symbol('.') => self.type_of_name(name.name()?),
            [function, arguments @ ..] => {
                let (inner, []) = parenthesized(arguments)? else {
                    return self.type_of_case(tokens);
                };
                self.type_of_call(function, inner)
            }
            [] => None,
        }
    }

    fn type_of_name(&self, name: &str) -> Option<ColumnType> {
        let alias = self.aliases.get(&name.to_ascii_lowercase()).copied();
        alias.or_else(|| self.column(name).map(|column| column.kind))
    }

    fn type_of_case(&self, tokens: &[Token]) -> Option<ColumnType> {
        tokens.first().filter(|token| token.is("case"))?;
        let then = tokens.iter().position(|token| token.is("then"))? + 1;
        let ends = |token: &Token| ["when", "else", "end"].iter().any(|word| token.is(word));
        let end = tokens[then..].iter().position(ends)?;
        self.type_of(&tokens[then..then + end])
    }

    fn type_of_call(&self, function: &Token, inner: &[Token]) -> Option<ColumnType> {
        let Token::Word(function) = function else { return None };
        let arguments = split(inner, |token| token.is_symbol(','));
        let first = arguments.first()?;
        match function.to_ascii_lowercase().as_str() {
            "cast" | "try_cast" => {
                let at = inner.iter().rposition(|token| token.is("as"))?;
                ColumnType::parse(&text_of(&inner[at + 1..]))
            }
            "convert" | "try_convert" => ColumnType::parse(&text_of(first)),
            "count" | "len" | "datediff" | "datepart" => Some(ColumnType::Int),
            "count_big" => Some(ColumnType::BigInt),
            "min" | "max" | "isnull" | "coalesce" | "nullif" | "abs" => self.type_of(first),
            "sum" | "avg" => Some(match self.type_of(first)? {
                ColumnType::TinyInt | ColumnType::SmallInt => ColumnType::Int,
                ColumnType::Real => ColumnType::Float,
                kind => kind,
            }),
            "sysutcdatetime" | "sysdatetime" => Some(ColumnType::DateTime2(7)),
            "getutcdate" | "getdate" => Some(ColumnType::DateTime),
            "lower" | "upper" | "ltrim" | "rtrim" | "trim" | "concat" | "left" | "right" => {
                Some(ColumnType::NVarChar(4000))
            }
            _ => None,
        }
    }

    /// The names and types of the columns of a SELECT as far as its list tells; nothing where it
    /// has a `*`. An expression without a name has an empty one.
    pub(super) fn listed(&mut self, select: &[Token]) -> Option<Vec<(String, Option<ColumnType>)>> {
        let items = list_items(select)?;
        let mut listed = Vec::new();
        for item in items {
            let (alias, expression) = without_alias(item);
            if expression.last().is_some_and(|token| token.is_symbol('*')) {
                return None;
            }
            let kind = self.type_of(expression);
            if let (Some(alias), Some(kind)) = (alias, kind) {
                self.aliases.insert(alias.to_ascii_lowercase(), kind);
            }
            listed.push((alias.unwrap_or_default().to_owned(), kind));
        }
        Some(listed)
    }

    /// The statement in SQLite's words.
    pub(super) fn translate(&mut self, tokens: &[Token]) -> String {
        let mut out = String::new();
        let mut limit = None;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let rest = &tokens[at + 1..];
            let follows = at > 0 && names_table(&tokens[at - 1]);
            if let Some((table, n_tokens)) = self.table(&tokens[at..], follows) {
                out.push_str(&quoted(&table.name));
                at += n_tokens;
            } else if let Some(n_tokens) = skipped(token, rest) {
                at += n_tokens;
            } else if token.is("top")
                && let Some((count, n_tokens)) = self.top(rest)
            {
                limit = Some(count);
                at += 1 + n_tokens;
            } else if token.is("offset")
                && let Some((count, n_tokens)) = offset(rest)
            {
                limit = Some(count);
                at += 1 + n_tokens;
            } else if token.is("collate") && !rest.is_empty() {
                let binary =
                    rest[0].name().is_some_and(|name| name.to_ascii_uppercase().contains("_BIN"));
                out.push_str(if binary { "COLLATE tsql_bin" } else { "COLLATE tsql_ci" });
                at += 2;
            } else if let Some((call, n_tokens)) = self.cast(token, rest) {
                out.push_str(&call);
                at += n_tokens;
            } else if token.is_symbol('(')
                && let Some((inner, after)) = parenthesized(&tokens[at..])
            {
                out.push_str(&format!("({})", self.translate(inner)));
                at = tokens.len() - after.len();
            } else {
                out.push_str(&self.word(token, rest));
                at += 1;
            }
            if !matches!(tokens.get(at - 1), Some(Token::Symbol('<' | '>' | '!'))) {
                out.push(' ');
            }
        }
        // After the translation of inner SELECTs, so that their aliases are known.
        self.listed(tokens);
        out.extend(limit.map(|limit| format!("LIMIT {limit}")));
        out
    }

    /// The count behind `TOP`, and its tokens.
    fn top(&mut self, rest: &[Token]) -> Option<(String, usize)> {
        match rest.first()? {
            Token::Number(number) => Some((number.clone(), 1)),
            _ => {
                let (inner, after) = parenthesized(rest)?;
                Some((self.translate(inner), rest.len() - after.len()))
            }
        }
    }

    /// A conversion as a call of our own function, and its tokens.
    fn cast(&mut self, token: &Token, rest: &[Token]) -> Option<(String, usize)> {
        let Token::Word(function) = token else { return None };
        let function = function.to_ascii_lowercase();
        let (inner, after) = parenthesized(rest)?;
        let (value, target) = match function.as_str() {
            "cast" | "try_cast" => {
                let at = inner.iter().rposition(|token| token.is("as"))?;
                (&inner[..at], text_of(&inner[at + 1..]))
            }
            "convert" | "try_convert" => {
                let arguments = split(inner, |token| token.is_symbol(','));
                (*arguments.get(1)?, text_of(arguments.first()?))
            }
            _ => return None,
        };
        let source = self.type_of(value).map(|kind| kind.to_string()).unwrap_or_default();
        let attempt = i32::from(function.starts_with("try"));
        let value = self.translate(value);
        let call = format!("tsql_cast({value}, '{target}', '{source}', {attempt})");
        Some((call, 1 + rest.len() - after.len()))
    }

    /// One token in SQLite's words.
    fn word(&self, token: &Token, rest: &[Token]) -> String {
        let called = rest.first().is_some_and(|token| token.is_symbol('('));
        match token {
            Token::Name(name) => quoted(name),
            Token::Text(text) | Token::Number(text) => text.clone(),
            Token::Symbol(symbol) => symbol.to_string(),
            // Some names of columns are keywords to SQLite.
            Token::Word(word) if !called && self.column(word).is_some() => quoted(word),
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "count_big" if called => "count".to_owned(),
                "isnull" if called => "ifnull".to_owned(),
                "len" if called => "length".to_owned(),
                "sysutcdatetime" | "sysdatetime" | "getutcdate" | "getdate" if called => {
                    "tsql_now".to_owned()
                }
                "@@version" => "'Microsoft SQL Server 2022 (speedfit test server)'".to_owned(),
                "@@spid" => "51".to_owned(),
                "@@trancount" => "0".to_owned(),
                _ => word.clone(),
            },
        }
    }
}

/// Whether a table's name follows a word.
fn names_table(token: &Token) -> bool {
    ["from", "join", "into", "update", "table"].iter().any(|word| token.is(word))
}

/// Tokens without a meaning here: hints (`WITH (…)` behind a table, `OPTION (…)`).
fn skipped(token: &Token, rest: &[Token]) -> Option<usize> {
    if !(token.is("with") || token.is("option")) {
        return None;
    }
    let (_, after) = parenthesized(rest).filter(|_| rest[0].is_symbol('('))?;
    Some(1 + rest.len() - after.len())
}

/// `n ROWS FETCH NEXT m ROWS ONLY` behind `OFFSET`, as SQLite's limit, and its tokens.
fn offset(rest: &[Token]) -> Option<(String, usize)> {
    let count = |token: &Token| match token {
        Token::Number(text) | Token::Word(text) => text.clone(),
        _ => "0".to_owned(),
    };
    match rest {
        [skip, _, fetch, _, n, _, _, ..] if fetch.is("fetch") => {
            Some((format!("{} OFFSET {}", count(n), count(skip)), 7))
        }
        [skip, rows, ..] if rows.is("rows") => Some((format!("-1 OFFSET {}", count(skip)), 2)),
        _ => None,
    }
}

/// Tokens as one text without blanks: a type.
fn text_of(tokens: &[Token]) -> String {
    let piece = |token: &Token| match token {
        Token::Word(text) | Token::Name(text) | Token::Text(text) | Token::Number(text) => {
            text.clone()
        }
        Token::Symbol(symbol) => symbol.to_string(),
    };
    tokens.iter().map(piece).collect()
}

/// The items between SELECT and FROM.
fn list_items(tokens: &[Token]) -> Option<Vec<&[Token]>> {
    let mut depth = 0;
    let mut select = None;
    let mut from = tokens.len();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') => depth -= 1,
            token if depth == 0 && select.is_none() && token.is("select") => select = Some(at + 1),
            token if depth == 0 && select.is_some() && token.is("from") => {
                from = at;
                break;
            }
            _ => {}
        }
    }
    let mut list = &tokens[select?..from];
    while let Some((first, rest)) = list.split_first() {
        list = match first {
            token if token.is("distinct") || token.is("all") => rest,
            token if token.is("top") => match parenthesized(rest) {
                Some((_, after)) => after,
                None => rest.get(1..).unwrap_or_default(),
            },
            _ => break,
        };
    }
    Some(split(list, |token| token.is_symbol(',')))
}

/// An item's name of its own and its expression: `x AS name`, `x name`, or `x`.
fn without_alias(item: &[Token]) -> (Option<&str>, &[Token]) {
    match item {
        [expression @ .., word, alias] if word.is("as") => (alias.name(), expression),
        [expression @ .., before, alias]
            if alias.name().is_some()
                && !alias.is("end")
                && (before.is_symbol(')') || !matches!(before, Token::Symbol(_))) =>
        {
            (alias.name(), &item[..expression.len() + 1])
        }
        [name] => (name.name(), item),
        [.., dot, name] if dot.is_symbol('.') => (name.name(), item),
        _ => (None, item),
    }
}

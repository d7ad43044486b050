//! Calls of procedures, above all those that carry statements.

use std::io;

use super::backend::Parameter;
use super::column::{Column, ColumnType};
use super::decode::WireType;
use super::value::Value;
use super::wire::Reader;

/// Marks a procedure named by number.
const BY_NUMBER: u16 = 0xFFFF;

/// Ends a call where another one follows in the same message.
const NEXT_CALL: u8 = 0xFF;

const OUTPUT: u8 = 1;

/// A procedure with a meaning of its own, or another one by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Procedure {
    ExecuteSql,
    Prepare,
    Execute,
    PrepareExecute,
    Unprepare,
    Other(String),
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) procedure: Procedure,
    pub(super) parameters: Vec<Parameter>,
}

/// Skips the headers in front of a request.
pub(super) fn skip_headers(reader: &mut Reader<'_>) -> io::Result<()> {
    let length = reader.clone().u32()?;
    reader.bytes(length as usize).map(drop)
}

impl Call {
    pub(super) fn read(data: &[u8]) -> io::Result<Self> {
        let mut reader = Reader::new(data);
        skip_headers(&mut reader)?;
        let procedure = match reader.u16()? {
            BY_NUMBER => by_number(reader.u16()?),
            n_units => by_name(&reader.utf16(usize::from(n_units))?),
        };
        reader.u16()?;
        let mut parameters = Vec::new();
        while !reader.is_empty() {
            let mut ahead = reader;
            if ahead.u8()? == NEXT_CALL {
                break;
            }
            parameters.push(parameter(&mut reader)?);
        }
        Ok(Self { procedure, parameters })
    }

    /// The text in a parameter, by position.
    pub(super) fn text(&self, at: usize) -> &str {
        self.parameters.get(at).and_then(|parameter| parameter.value.as_text()).unwrap_or_default()
    }

    /// The number in a parameter, by position.
    pub(super) fn number(&self, at: usize) -> i32 {
        let value = self.parameters.get(at).and_then(|parameter| parameter.value.as_int());
        value.and_then(|value| value.try_into().ok()).unwrap_or_default()
    }

    /// The parameters from a position on, named as a declaration names them where they have no
    /// name of their own.
    pub(super) fn values(&self, from: usize, declaration: &str) -> Vec<Parameter> {
        let declared: Vec<&str> = declared_names(declaration).collect();
        let values = self.parameters.iter().skip(from).enumerate();
        let named =
            values.map(|(at, parameter)| match (parameter.name.as_str(), declared.get(at)) {
                ("", Some(name)) => Parameter { name: (*name).to_owned(), ..parameter.clone() },
                ("", None) => Parameter { name: format!("@P{}", at + 1), ..parameter.clone() },
                _ => parameter.clone(),
            });
        named.collect()
    }
}

fn by_number(number: u16) -> Procedure {
    match number {
        10 => Procedure::ExecuteSql,
        11 => Procedure::Prepare,
        12 => Procedure::Execute,
        13 => Procedure::PrepareExecute,
        15 => Procedure::Unprepare,
        number => Procedure::Other(format!("procedure {number}")),
    }
}

fn by_name(name: &str) -> Procedure {
    let plain = name.replace(['[', ']'], "");
    match plain.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "sp_executesql" => Procedure::ExecuteSql,
        "sp_prepare" => Procedure::Prepare,
        "sp_execute" => Procedure::Execute,
        "sp_prepexec" => Procedure::PrepareExecute,
        "sp_unprepare" => Procedure::Unprepare,
        last if plain.eq_ignore_ascii_case(last) => Procedure::Other(last.to_owned()),
        _ => Procedure::Other(name.to_owned()),
    }
}

fn parameter(reader: &mut Reader<'_>) -> io::Result<Parameter> {
    let name = reader.b_varchar()?;
    let output = reader.u8()? & OUTPUT != 0;
    let wire = WireType::read(reader)?;
    Ok(Parameter { name, kind: wire.kind(), value: wire.value(reader)?, output })
}

/// The names in `@P1 int, @P2 decimal(9,2)`.
fn declared_names(declaration: &str) -> impl Iterator<Item = &str> {
    declaration.split(',').filter_map(|part| {
        let part = part.trim();
        part.starts_with('@').then(|| part.split_whitespace().next()).flatten()
    })
}

/// The column and value that give a handle back.
pub(super) fn handle_output(handle: i32) -> (Column, Value) {
    (Column::new("@handle", ColumnType::Int), Value::Int(handle.into()))
}

//! The rows of a bulk load.

use std::io;

use super::decode::WireType;
use super::value::Value;
use super::wire::{Reader, invalid};

const COLMETADATA: u8 = 0x81;
const ROW: u8 = 0xD1;
const NBC_ROW: u8 = 0xD2;
const DONE: u8 = 0xFD;

/// Columns and rows that a client loads.
#[derive(Debug, Default)]
pub(super) struct BulkRows {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
}

impl BulkRows {
    pub(super) fn read(data: &[u8]) -> io::Result<Self> {
        let mut reader = Reader::new(data);
        let mut bulk = Self::default();
        let mut types = Vec::new();
        while !reader.is_empty() {
            match reader.u8()? {
                COLMETADATA => (bulk.columns, types) = columns(&mut reader)?,
                ROW => {
                    let row = types.iter().map(|wire: &WireType| wire.value(&mut reader));
                    bulk.rows.push(row.collect::<io::Result<_>>()?);
                }
                NBC_ROW => {
                    let nulls = reader.bytes(types.len().div_ceil(8))?;
                    let row = types.iter().enumerate().map(|(at, wire)| {
                        let null = nulls[at / 8] & (1 << (at % 8)) != 0;
                        if null { Ok(Value::Null) } else { wire.value(&mut reader) }
                    });
                    bulk.rows.push(row.collect::<io::Result<_>>()?);
                }
                DONE => return Ok(bulk),
                token => return Err(invalid(format!("token {token:#04x} in a bulk load"))),
            }
        }
        Ok(bulk)
    }
}

fn columns(reader: &mut Reader<'_>) -> io::Result<(Vec<String>, Vec<WireType>)> {
    let n_columns = reader.u16()?;
    let mut names = Vec::new();
    let mut types = Vec::new();
    for _ in 0..n_columns {
        reader.bytes(6)?;
        let wire = WireType::read(reader)?;
        if wire.has_table_name() {
            let n_units = reader.u16()?;
            reader.utf16(usize::from(n_units))?;
        }
        types.push(wire);
        names.push(reader.b_varchar()?);
    }
    Ok((names, types))
}

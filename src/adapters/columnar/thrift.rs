//! Fields of a struct in Thrift's compact protocol, as much of it as tells sizes: integers are read,
//! all else is passed over.
//!
//! The protocol is apache/thrift's `doc/specs/thrift-compact-protocol.md`.

use std::io::{self, Read};

use parquet::errors::{ParquetError, Result};

/// Structs in structs; Parquet's own have five levels.
const MAX_DEPTH: usize = 16;
/// A longer text in a header is none.
const MAX_TEXT_BYTES: u64 = 1 << 20;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// A field's number and type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) id: i64,
    kind: u8,
}

/// The fields of a struct, one after the other. Each must be read, entered or skipped.
pub(super) struct Fields<'a, R> {
    input: &'a mut R,
    /// Number of the last field, of the struct at hand and those around it.
    last: Vec<i64>,
}

impl<'a, R: Read> Fields<'a, R> {
    pub(super) fn new(input: &'a mut R) -> Self {
        Self { input, last: vec![0] }
    }

    /// The next field, or `None` at the end of the struct.
    pub(super) fn next_field(&mut self) -> Result<Option<Field>> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        let id = match i64::from(head >> 4) {
            0 => self.zigzag()?,
            step => self.last.last().copied().unwrap_or(0) + step,
        };
        if let Some(last) = self.last.last_mut() {
            *last = id;
        }
        Ok(Some(Field { id, kind: head & 0xf }))
    }

    /// The value of a field that is an integer.
    pub(super) fn integer(&mut self, field: Field) -> Result<i64> {
        match field.kind {
            BYTE..=I64 => self.zigzag(),
            _ => Err(damaged()),
        }
    }

    /// Goes into a field that is a struct: its fields are next, up to their end.
    pub(super) fn enter(&mut self, field: Field) -> Result<()> {
        if field.kind != STRUCT || self.last.len() >= MAX_DEPTH {
            return Err(damaged());
        }
        self.last.push(0);
        Ok(())
    }

    /// Goes back to the struct around.
    pub(super) fn leave(&mut self) {
        self.last.pop();
    }

    /// Passes over a field.
    pub(super) fn skip(&mut self, field: Field) -> Result<()> {
        match field.kind {
            // Their value is their type.
            TRUE | FALSE => Ok(()),
            kind => self.skip_value(kind, self.last.len()),
        }
    }

    fn skip_value(&mut self, kind: u8, depth: usize) -> Result<()> {
        if depth >= MAX_DEPTH {
            return Err(damaged());
        }
        match kind {
            TRUE | FALSE => self.byte().map(|_| ()),
            BYTE..=I64 => self.varint().map(|_| ()),
            DOUBLE => self.pass(8),
            BINARY => {
                let n_bytes = self.varint()?;
                if n_bytes > MAX_TEXT_BYTES { Err(damaged()) } else { self.pass(n_bytes) }
            }
            LIST | SET => {
                let head = self.byte()?;
                let n = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                (0..n).try_for_each(|_| self.skip_value(head & 0xf, depth + 1))
            }
            MAP => {
                let n = self.varint()?;
                let kinds = if n == 0 { 0 } else { self.byte()? };
                (0..n).try_for_each(|_| {
                    self.skip_value(kinds >> 4, depth + 1)?;
                    self.skip_value(kinds & 0xf, depth + 1)
                })
            }
            STRUCT => {
                self.last.push(0);
                while let Some(field) = self.next_field()? {
                    if !matches!(field.kind, TRUE | FALSE) {
                        self.skip_value(field.kind, depth + 1)?;
                    }
                }
                self.last.pop();
                Ok(())
            }
            _ => Err(damaged()),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.input.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damaged())
    }

    fn zigzag(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn pass(&mut self, n_bytes: u64) -> Result<()> {
        let n_passed = io::copy(&mut self.input.by_ref().take(n_bytes), &mut io::sink())?;
        if n_passed == n_bytes { Ok(()) } else { Err(damaged()) }
    }
}

fn damaged() -> ParquetError {
    ParquetError::General("a header cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the values in the protocol's description.
    #[test]
    fn integers_are_read_and_all_else_is_passed_over() {
        // 1: i32 -1, 2: true, 3: binary "ab", 5: list of i32, 6: struct { 1: i64 300 }, 40: i16 7.
        let mut bytes: &[u8] = &[
            0x15, 0x01, 0x11, 0x18, 0x02, b'a', b'b', 0x29, 0x25, 0x02, 0x04, 0x1c, 0x16, 0xd8,
            0x04, 0x00, 0x04, 0x50, 0x0e, 0x00,
        ];
        let mut fields = Fields::new(&mut bytes);
        let first = fields.next_field().unwrap().unwrap();
        assert_eq!((first.id, fields.integer(first).unwrap()), (1, -1));
        for id in [2, 3, 5] {
            let field = fields.next_field().unwrap().unwrap();
            assert_eq!(field.id, id);
            fields.skip(field).unwrap();
        }
        let outer = fields.next_field().unwrap().unwrap();
        fields.enter(outer).unwrap();
        let inner = fields.next_field().unwrap().unwrap();
        assert_eq!((inner.id, fields.integer(inner).unwrap()), (1, 300));
        assert!(fields.next_field().unwrap().is_none());
        fields.leave();
        let last = fields.next_field().unwrap().unwrap();
        assert_eq!((last.id, fields.integer(last).unwrap()), (40, 7));
        assert!(fields.next_field().unwrap().is_none());
        assert!(fields.next_field().is_err());
    }
}

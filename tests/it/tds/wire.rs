//! Reading and writing the little-endian fields of the protocol.

use std::io;

/// A broken message of a client.
pub(super) fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Reads fields one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    data: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// All that is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.data
    }

    pub(super) fn bytes(&mut self, n: usize) -> io::Result<&'a [u8]> {
        let (head, tail) =
            self.data.split_at_checked(n).ok_or_else(|| invalid("message ends early"))?;
        self.data = tail;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> io::Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> io::Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u16_be(&mut self) -> io::Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> io::Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> io::Result<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> io::Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A whole number of `n` bytes, at most 8, without sign.
    pub(super) fn uint(&mut self, n: usize) -> io::Result<u64> {
        let mut bytes = [0; 8];
        bytes
            .get_mut(..n)
            .ok_or_else(|| invalid("number too long"))?
            .copy_from_slice(self.bytes(n)?);
        Ok(u64::from_le_bytes(bytes))
    }

    /// Text of so many UTF-16 units.
    pub(super) fn utf16(&mut self, n_units: usize) -> io::Result<String> {
        Ok(utf16(self.bytes(n_units * 2)?))
    }

    /// Text behind its length in one byte.
    pub(super) fn b_varchar(&mut self) -> io::Result<String> {
        let n_units = self.u8()?;
        self.utf16(usize::from(n_units))
    }
}

/// Text of UTF-16 bytes.
pub(super) fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> =
        bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

/// Writes text as UTF-16 without a length.
pub(super) fn put_utf16(out: &mut Vec<u8>, text: &str) {
    out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
}

/// Writes text behind its length in one byte, cut to what that can say.
pub(super) fn put_b_varchar(out: &mut Vec<u8>, text: &str) {
    let units: Vec<u16> = text.encode_utf16().take(255).collect();
    out.push(units.len() as u8);
    out.extend(units.into_iter().flat_map(u16::to_le_bytes));
}

/// Writes text behind its length in two bytes, cut to what that can say.
pub(super) fn put_us_varchar(out: &mut Vec<u8>, text: &str) {
    let units: Vec<u16> = text.encode_utf16().take(usize::from(u16::MAX)).collect();
    out.extend((units.len() as u16).to_le_bytes());
    out.extend(units.into_iter().flat_map(u16::to_le_bytes));
}

/// Writes something behind its length in two bytes.
pub(super) fn put_with_length(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0, 0]);
    body(out);
    let length = (out.len() - start - 2) as u16;
    out[start..start + 2].copy_from_slice(&length.to_le_bytes());
}

/// What Windows-1252 has between 0x80 and 0x9F; the five unassigned ones are controls.
const CP1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Text of code page 1252.
pub(super) fn from_cp1252(bytes: &[u8]) -> String {
    let char = |&byte: &u8| match byte {
        0x80..=0x9F => CP1252[usize::from(byte - 0x80)],
        byte => char::from(byte),
    };
    bytes.iter().map(char).collect()
}

/// Text in code page 1252, `?` for what it lacks, as the server converts.
pub(super) fn to_cp1252(text: &str) -> Vec<u8> {
    let byte = |c: char| match CP1252.iter().position(|&known| known == c) {
        Some(at) => 0x80 + at as u8,
        None => u8::try_from(c).unwrap_or(b'?'),
    };
    text.chars().map(byte).collect()
}

//! Lengths by class of road as the file keeps them: one value per record, and the classes once per
//! import, since each file may have its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, Row, Transaction};

use super::error::StatementError;
use crate::ports::Lengths;

/// Bytes of one length.
const WIDTH: usize = size_of::<f64>();

/// The classes of an import, noted when its first batch tells them.
pub(super) fn insert_classes(
    transaction: &Transaction<'_>,
    import_id: i64,
    classes: &[String],
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare(include_str!("sql/insert_import_class.sql"))?;
    for (position, class) in (0_i64..).zip(classes) {
        statement.execute((import_id, position, class))?;
    }
    Ok(())
}

/// Writes a record's lengths into `bytes`; null is NaN, and NaN infinity, which a run refuses for
/// the same reason.
pub(super) fn encode(lengths_km: &[Option<f64>], bytes: &mut Vec<u8>) {
    bytes.clear();
    for length in lengths_km {
        let stored = match length {
            None => f64::NAN,
            Some(km) if km.is_nan() => f64::INFINITY,
            Some(km) => *km,
        };
        bytes.extend_from_slice(&stored.to_le_bytes());
    }
}

/// All classes of the file, and where those of each import stand among them.
#[derive(Debug, Clone, Default)]
pub(super) struct Classes {
    pub(super) all: Arc<[String]>,
    places: BTreeMap<i64, Vec<usize>>,
}

impl Classes {
    /// Those that a query wants: in the order of the imports, and none where it wants none.
    pub(super) fn read(connection: &Connection, lengths: Lengths) -> Result<Self, StatementError> {
        if lengths == Lengths::No {
            return Ok(Self::default());
        }
        let (mut all, mut places) = (Vec::new(), BTreeMap::<i64, Vec<usize>>::new());
        let mut statement = connection.prepare(include_str!("sql/import_classes.sql"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (import_id, class): (i64, String) = (row.get(0)?, row.get(1)?);
            let known = all.iter().position(|known| *known == class);
            let place = known.unwrap_or(all.len());
            if known.is_none() {
                all.push(class);
            }
            places.entry(import_id).or_default().push(place);
        }
        Ok(Self { all: all.into(), places })
    }

    /// A record's lengths, from its import and what is stored of it. Classes that the import has
    /// not got are null.
    pub(super) fn lengths(
        &self,
        row: &Row<'_>,
        (import_column, lengths_column): (usize, usize),
        lengths: &mut [Option<f64>],
    ) -> rusqlite::Result<()> {
        lengths.fill(None);
        if self.all.is_empty() {
            return Ok(());
        }
        let Some(stored) = row.get_ref(lengths_column)?.as_blob_or_null()? else {
            return Ok(());
        };
        let import_id: i64 = row.get(import_column)?;
        let places = self.places.get(&import_id).map_or(&[][..], Vec::as_slice);
        for (&place, bytes) in places.iter().zip(stored.as_chunks::<WIDTH>().0) {
            lengths[place] = Some(f64::from_le_bytes(*bytes)).filter(|km| !km.is_nan());
        }
        Ok(())
    }
}

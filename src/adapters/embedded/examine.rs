//! What `speedfit doctor` says of an embedded database that could be opened.

use async_trait::async_trait;
use rusqlite::Transaction;

use super::error::StatementError;
use super::{Embedded, Options, schema};
use crate::ports::{Examine, FailureKind, Finding, Grade, PortResult};

/// What the file says of itself.
struct Facts {
    size_mb: f64,
    version: u32,
    n_records: i64,
}

#[async_trait]
impl Examine for Embedded {
    async fn examine(&self) -> Vec<Finding> {
        let mut findings = self.examine_records().await;
        if findings.iter().all(|finding| finding.grade < Grade::Failure) {
            // An empty transaction: it takes the lock of writers and leaves no trace.
            findings.push(writing(self.write("write", |_| Ok(())).await));
        }
        findings
    }
}

impl Embedded {
    /// What is found of it as a source, which is read only.
    pub async fn examine_records(&self) -> Vec<Finding> {
        let facts = match self.read("look at the file", facts).await {
            Ok(facts) => facts,
            Err(error) => return vec![Finding::failed("file", &error)],
        };
        let records = match facts.n_records {
            0 => "no records; `speedfit import FILE` adds some".to_owned(),
            n => format!("{n} records"),
        };
        vec![
            self.size(facts.size_mb),
            Finding::new("schema version", Grade::Good, facts.version.to_string()),
            Finding::new("records", Grade::Good, records),
        ]
    }

    /// The file against its quota, of which nine tenths are a warning.
    fn size(&self, size_mb: f64) -> Finding {
        let shown = &self.inner.shown;
        let Some(max_pages) = self.inner.options.max_pages else {
            return Finding::new("file", Grade::Good, format!("`{shown}`, {size_mb:.1} MB"));
        };
        let max_mb = f64::from(max_pages) * f64::from(Options::PAGE_BYTES) / BYTES_PER_MB;
        let text = format!("`{shown}`, {size_mb:.1} of {max_mb:.0} MB");
        if size_mb < 0.9 * max_mb {
            return Finding::new("file", Grade::Good, text);
        }
        Finding::new("file", Grade::Warning, text).with_remedy("raise `embedded.max_size_mb`")
    }
}

const BYTES_PER_MB: f64 = 1_048_576.0;

fn facts(transaction: &Transaction<'_>) -> Result<Facts, StatementError> {
    let number = |name: &str| -> rusqlite::Result<f64> {
        transaction.pragma_query_value(None, name, |row| row.get::<_, u32>(0)).map(f64::from)
    };
    Ok(Facts {
        size_mb: number("page_count")? * number("page_size")? / BYTES_PER_MB,
        version: schema::version(transaction)?,
        n_records: transaction
            .query_row(include_str!("sql/n_incidents.sql"), [], |row| row.get(0))?,
    })
}

fn writing(tried: PortResult<()>) -> Finding {
    match tried {
        Ok(()) => Finding::new("writing", Grade::Good, "allowed"),
        Err(error) if error.kind == FailureKind::Busy => {
            Finding::new("writing", Grade::Note, "another program is writing just now")
        }
        Err(error) => Finding::failed("writing", &error),
    }
}

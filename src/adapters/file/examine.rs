//! What `speedfit doctor` says of a record file: whether it can be read, and which columns it has.

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use super::columns::listed;
use super::options::{Field, FileOptions};
use super::reader::RecordReader;
use super::source::FileSource;
use crate::ports::{Examine, FailureKind, Finding, Grade, PortError};

#[async_trait]
impl Examine for FileSource {
    async fn examine(&self) -> Vec<Finding> {
        let options = self.options.clone();
        let looked = spawn_blocking(move || look(&options)).await;
        looked.unwrap_or_else(|died| {
            vec![Finding::failed("file", &PortError::new(FailureKind::Internal, died))]
        })
    }
}

fn look(options: &FileOptions) -> Vec<Finding> {
    let shown = options.path.display();
    let size = match options.path.metadata() {
        // Opened once, it would be used up.
        Ok(data) if !data.is_file() && !data.is_dir() => {
            let text = format!("`{shown}` is a pipe or a device, which is not opened here");
            return vec![Finding::new("file", Grade::Note, text)];
        }
        Ok(data) => data.len(),
        // Opening it says why.
        Err(_) => 0,
    };
    let reader = match RecordReader::open(options) {
        Ok(reader) => reader,
        Err(error) => return vec![Finding::failed("file", &error.into())],
    };
    let mb = size as f64 / 1e6;
    let file = Finding::new("file", Grade::Good, format!("`{shown}`, {mb:.1} MB"));
    let mut findings = vec![file, columns(&reader)];
    if !reader.classes().is_empty() {
        let names = listed(reader.classes().iter().map(String::as_str));
        let text = format!("of {names}; read where the model needs them");
        findings.push(Finding::new("lengths by class of road", Grade::Good, text));
    }
    findings
}

fn columns(reader: &RecordReader) -> Finding {
    let found: Vec<(Field, &str)> = reader.columns().collect();
    let names: Vec<String> = found.iter().map(|(_, name)| format!("`{name}`")).collect();
    let is_found = |field: &Field| found.iter().any(|(there, _)| there == field);
    let absent: Vec<&str> =
        Field::ALL.iter().filter(|field| !is_found(field)).map(|field| field.as_str()).collect();
    let names = names.join(", ");
    if absent.is_empty() {
        return Finding::new("columns", Grade::Good, names);
    }
    let text = format!("{names}; none for {}, which may be missing", absent.join(", "));
    Finding::new("columns", Grade::Good, text)
}

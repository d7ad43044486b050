//! What `speedfit doctor` says of those who are told of runs. Nobody is reached for: a webhook would
//! take it for news.

use super::{Telling, metrics, objects, webhook};
use crate::adapters::file;
use crate::config::Loaded;
use crate::ports::{Finding, Grade, PortError};

/// A finding for each way in which the settings tell of runs.
#[must_use]
pub fn examine_telling(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = vec![of_webhook(loaded)];
    findings.extend(of_file(loaded));
    findings.extend(objects(loaded).map(|opened| {
        match opened {
            Ok(_) => {
                let address = &loaded.settings.output.upload_url;
                Finding::new("upload", Grade::Good, format!("files are copied to `{address}`"))
            }
            Err(fault) => {
                Finding::new("upload", Grade::Failure, format!("`output.upload_url` {fault}"))
                    .with_remedy("correct it, and set the variables of its vendor")
            }
        }
    }));
    // What is left that would keep a run from starting.
    if findings.iter().all(|finding| finding.grade < Grade::Failure)
        && let Err(error) = Telling::new(loaded)
    {
        let finding = Finding::new("notifications", Grade::Failure, error.to_string());
        findings.push(finding.with_remedy(error.hint().unwrap_or_else(|| "correct it".to_owned())));
    }
    findings
}

fn of_webhook(loaded: &Loaded) -> Finding {
    let check = "webhook";
    match webhook(loaded) {
        Ok(None) => {
            Finding::new(check, Grade::Note, "none is set: nobody is notified of runs that fail")
        }
        Ok(Some((address, key))) => {
            let host = address.host();
            let how = if address.is_encrypted() { "https" } else { "http on this machine" };
            let (grade, signed) = match key {
                Some(_) => (Grade::Good, "signed"),
                None => (Grade::Note, "not signed"),
            };
            Finding::new(check, grade, format!("`{host}` by {how}, {signed}"))
        }
        Err(error) => Finding::new(check, Grade::Failure, error.to_string())
            .with_remedy(error.hint().unwrap_or_default()),
    }
}

/// Whether the file could be written; it is not.
fn of_file(loaded: &Loaded) -> Option<Finding> {
    let check = "metrics";
    let settings = &loaded.settings;
    let path = metrics::file_of(&settings.metrics, &settings.scope)?;
    let shown = path.display();
    Some(match file::check_folder(&path).map_err(PortError::from) {
        Ok(()) => Finding::new(check, Grade::Good, format!("written to `{shown}`")),
        // Runs go on without it.
        Err(error) => Finding { grade: Grade::Warning, ..Finding::failed(check, &error) },
    })
}

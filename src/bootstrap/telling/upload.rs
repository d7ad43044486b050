//! Copies of what a run wrote, in object storage.

use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::{Ended, Telling, chain};
use crate::adapters::objects::Object;
use crate::ports::{FailureKind, PortError, PortResult};

/// What became of the files of a run in object storage. It does not change how the run ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Upload {
    /// None was asked for, or there was no file.
    #[default]
    None,
    /// They are there, in this folder.
    Done(String),
    /// They are not, or not all of them, for this reason; they still are on this machine.
    Failed(String),
}

impl Telling {
    /// Copies the files of a run, where the settings want it and there are any.
    pub(super) async fn upload(&self, ended: &Ended<'_>) -> Upload {
        let Some(objects) = &self.objects else { return Upload::None };
        let (Some(run_id), Some(outputs)) = (ended.run_id, ended.outputs) else {
            return Upload::None;
        };
        let paths = [outputs.results.clone(), outputs.report.clone()];
        let paths: Vec<PathBuf> = paths.into_iter().flatten().collect();
        if paths.is_empty() {
            return Upload::None;
        }
        let put = async {
            let files = read(&paths).await?;
            objects.put_run(&ended.plan.request.scope, run_id, &files).await
        };
        match put.await {
            Ok(folder) => {
                info!(%folder, "the files of the run were copied");
                Upload::Done(folder)
            }
            Err(why) => {
                let hint = why.remedy();
                warn!(hint, "the files of the run could not be copied: {}", chain(&why));
                Upload::Failed(chain(&why))
            }
        }
    }
}

async fn read(paths: &[PathBuf]) -> PortResult<Vec<Object>> {
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let bytes = tokio::fs::read(path).await;
        let bytes = bytes.map_err(|error| PortError::new(FailureKind::Missing, error))?;
        files.push(Object { name: name(path), bytes });
    }
    Ok(files)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

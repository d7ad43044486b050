//! The published parameters, and the mark.

use async_trait::async_trait;

use super::rows;
use super::store::SqlServerStore;
use crate::domain::{ParameterSet, Publication, RunId};
use crate::ports::{ParameterStore, PortResult};

#[async_trait]
impl ParameterStore for SqlServerStore {
    fn describe(&self) -> String {
        format!("{}, schema `{}`", self.options.server, self.schema.name())
    }

    async fn mark(&self, scope: &str) -> PortResult<Option<Publication>> {
        let sql = include_str!("sql/mark.sql");
        self.read("read the mark", sql, &[&scope], |rows| {
            rows.first().map(rows::publication).transpose()
        })
        .await
    }

    async fn parameter_set(&self, run_id: RunId) -> PortResult<Option<ParameterSet>> {
        let doing = || format!("read the parameters of run {run_id}");
        let sql = include_str!("sql/run_status.sql");
        let standing = self
            .read(doing(), sql, &[&run_id.0], |rows| rows.first().map(rows::standing).transpose())
            .await?;
        let Some(standing) = standing else { return Ok(None) };
        let mut set =
            ParameterSet { run_id: Some(run_id), scope: standing.scope, ..ParameterSet::default() };
        // The transaction that ends a run is the one that adds its rows: a run that is over has all
        // of them, and of another none is looked at, so that no transaction is needed here.
        if standing.status.is_final() {
            let sql = include_str!("sql/groups.sql");
            set.groups = self
                .read(doing(), sql, &[&run_id.0], |rows| rows.iter().map(rows::group).collect())
                .await?;
            let sql = include_str!("sql/parameters.sql");
            set.parameters = self
                .read(doing(), sql, &[&run_id.0], |rows| rows.iter().map(rows::parameter).collect())
                .await?;
        }
        Ok(Some(set))
    }
}

impl SqlServerStore {
    /// Every move of the scope's mark, newest first.
    ///
    /// # Errors
    /// Those of any read of the store.
    pub async fn publications(&self, scope: &str) -> PortResult<Vec<Publication>> {
        let sql = include_str!("sql/publications.sql");
        self.read("read the publications", sql, &[&scope], |rows| {
            rows.iter().map(rows::publication).collect()
        })
        .await
    }
}

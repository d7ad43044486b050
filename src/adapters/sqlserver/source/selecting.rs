//! What one query asks of the server, put together from the settings and the columns found.

use super::layout::Layout;
use super::options::SourceOptions;
use super::partition::{Share, Shares};
use super::relation::Relation;
use super::statement::{Statement, of_selection, within_window};
use super::wall_clock::WallClock;
use crate::adapters::file::Field;
use crate::ports::ReadQuery;

/// Everything that the statements of one reading are made of.
pub(super) struct Selecting<'a> {
    pub(super) options: &'a SourceOptions,
    pub(super) relation: &'a Relation,
    pub(super) layout: &'a Layout,
    pub(super) query: &'a ReadQuery,
}

impl Selecting<'_> {
    /// The rows of a share.
    pub(super) fn statement(&self, shares: &Shares, share: Share) -> Statement {
        let mut statement = Statement::named("read_records");
        let (list, from) = (self.layout.select_list(), self.relation.from());
        statement.push(&format!("SELECT {list}\nFROM {from}"));
        let mut conditions = self.conditions(&mut statement);
        conditions.extend(shares.condition(share, &mut statement));
        statement.push_where(&conditions);
        statement
    }

    /// What every row fulfils that was asked for, and some others: the exact check follows here.
    pub(super) fn conditions(&self, statement: &mut Statement) -> Vec<String> {
        let mut conditions = Vec::new();
        if let Some(within) = self.window(statement)
            && let Some(column) = self.layout.column(Field::OccurredAt)
        {
            conditions.push(format!("{within} OR {} IS NULL", column.name.quoted()));
        }
        if let Some(region) = self.layout.column(Field::Region) {
            let (selection, column) = (&self.query.selection, region.name.quoted());
            conditions.extend(of_selection(statement, selection, &column, region.reading));
        }
        conditions
    }

    /// The window in the terms of the column of the time, where there is one that the server can
    /// compare.
    pub(super) fn window(&self, statement: &mut Statement) -> Option<String> {
        let column = self.layout.column(Field::OccurredAt)?;
        let clock = WallClock::new(self.options.time_zone.clone());
        within_window(statement, self.query.window, &column.name.quoted(), column.reading, &clock)
    }
}

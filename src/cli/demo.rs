//! `speedfit demo`: the whole job on records with known truth; the newcomer's first minute.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::demo_records::{DemoRegion, draw_batches, regions};
use super::exit::Exit;
use super::groups::label;
use super::numbers::{count, figure};
use super::run::{Ran, run_once, summary, world_failure};
use super::signals::stop_token;
use super::table::{self, Align, paragraph};
use crate::bootstrap::{self, Ask};
use crate::config::Override;
use crate::domain::{ParameterRow, ParameterSet, Trigger};

/// Make an embedded database with known truth, run the job on it, print truth beside estimate.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Folder for the database, the results and the report.
    #[arg(long, value_name = "DIR", default_value = "speedfit-demo")]
    dir: PathBuf,

    /// Records to draw.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1_000..=20_000_000))]
    records: u32,

    /// Seed: the same one gives the same records everywhere.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let Options { dir, records, seed } = options;
    std::fs::create_dir_all(&dir).map_err(|cause| {
        anyhow::Error::new(cause).context(format!("cannot make the folder `{}`", dir.display()))
    })?;
    let database = dir.join(format!("demo-{records}-{seed}.db"));
    let flag = |key: &str, value: String| Override::new("demo", key, value);
    let loaded = context.load(vec![
        flag("embedded.path", database.display().to_string()),
        flag("output.dir", dir.display().to_string()),
        flag("source.kind", "embedded".to_owned()),
        flag("store.kind", "embedded".to_owned()),
        flag("fit.model", "kwh_intercept".to_owned()),
    ])?;
    let regions = regions(records as usize);
    // By this name a second demo knows that the records are there already.
    let name = format!("demo of {records} records, seed {seed}");
    let batches = draw_batches(&regions, seed)?;
    let cancel = stop_token()?;
    let imported =
        bootstrap::import_batches(&loaded.settings, &name, &name, batches, &cancel).await;
    imported.map_err(world_failure)?;
    let ask = Ask { reason: name, ..Ask::new(Trigger::Demo, context.user()) };
    let Ran { report, outputs, .. } = run_once(&loaded, ask, context).await?;
    let truths = compare(&regions, &report.set);
    if context.json() {
        context.print_json(&json!({ "truth": truths_json(&truths), "results": report.results }))?;
    } else {
        let mut text = truth_table(&truths, context.width());
        text.push_str(&paragraph(&verdict(&truths), context.width()));
        text.push('\n');
        let told = summary(&report, &outputs, context.width());
        // The table of groups would say the same again.
        text.push_str(told.split_once("\n\n").map_or(told.as_str(), |(_, rest)| rest));
        text.push_str(&format!("database  {}\n", database.display()));
        text.push_str(&next_lines(&dir, &database));
        context.print(&text)?;
    }
    Exit::of_code(report.exit_code)
}

/// What a newcomer may type next: a look at the report, at the run, and then their own records.
fn next_lines(dir: &Path, database: &Path) -> String {
    let set = format!("--set embedded.path={}", database.display());
    format!(
        "\nnext      open {} in a browser\n\
         {BLANK:10}speedfit show {set}\n\
         {BLANK:10}speedfit fit your-records.csv\n",
        dir.join("report.html").display()
    )
}

/// Below a label.
const BLANK: &str = "";

/// One parameter of one region: truth beside estimate.
struct Truth<'a> {
    region: &'a DemoRegion,
    truth: f64,
    row: &'a ParameterRow,
}

impl Truth<'_> {
    /// Whether the interval holds the truth, also one that is open to a side; `None` where there is no
    /// interval.
    fn is_covered(&self) -> Option<bool> {
        let (low, high) = (self.row.ci_low, self.row.ci_high);
        let is_any = low.is_some() || high.is_some();
        let is_above = low.is_none_or(|low| low <= self.truth);
        is_any.then(|| is_above && high.is_none_or(|high| self.truth <= high))
    }
}

fn compare<'a>(regions: &'a [DemoRegion], set: &'a ParameterSet) -> Vec<Truth<'a>> {
    let rows = regions.iter().flat_map(|region| {
        let own = set.parameters.iter().filter(move |row| row.key.region == region.name);
        own.filter_map(move |row| {
            // The sets without an intercept have one of zero.
            let truth = match row.name.as_str() {
                "sigma_log" => region.sigma_log,
                "intercept_min" => region.truth.value("intercept_min").unwrap_or(0.0),
                name => region.truth.value(name)?,
            };
            Some(Truth { region, truth, row })
        })
    });
    rows.collect()
}

fn truth_table(truths: &[Truth<'_>], width: Option<u16>) -> String {
    let headers = ["region", "n", "parameter", "truth", "estimate", "95 % interval", ""];
    // The names of columns elsewhere, of which seven fit 80 columns.
    let parameter = |name: &str| match label(name) {
        Some(label) if width.is_some() => label.into_owned(),
        _ => name.to_owned(),
    };
    let rows: Vec<Vec<String>> = (truths.iter())
        .map(|truth| {
            let row = truth.row;
            let interval = match (row.ci_low, row.ci_high) {
                (Some(low), Some(high)) => format!("{}–{}", figure(low), figure(high)),
                (Some(low), None) => format!("≥{}", figure(low)),
                (None, Some(high)) => format!("≤{}", figure(high)),
                (None, None) => row.status.to_string(),
            };
            let mark = if truth.is_covered() == Some(false) { "outside" } else { "" };
            vec![
                truth.region.name.clone(),
                count(truth.region.n_records as u64),
                parameter(&row.name),
                figure(truth.truth),
                figure(row.estimate),
                interval,
                mark.to_owned(),
            ]
        })
        .collect();
    let alignments = [
        Align::Left,
        Align::Right,
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Left,
    ];
    table::render(&headers, &rows, &alignments, width)
}

fn verdict(truths: &[Truth<'_>]) -> String {
    let told: Vec<bool> = truths.iter().filter_map(Truth::is_covered).collect();
    let n_inside = told.iter().filter(|inside| **inside).count();
    format!(
        "\n{n_inside} of {} intervals hold the truth; 95 % of them should, give or take chance\n",
        told.len()
    )
}

fn truths_json(truths: &[Truth<'_>]) -> Vec<serde_json::Value> {
    let told = truths.iter().map(|truth| {
        json!({
            "region": truth.region.name,
            "name": truth.row.name,
            "truth": truth.truth,
            "estimate": truth.row.estimate,
            "ci_low": truth.row.ci_low,
            "ci_high": truth.row.ci_high,
            "source": truth.region.truth.source,
        })
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{GroupKey, ParameterStatus};
    use crate::fit::simulate::published;

    #[test]
    fn the_table_fits_80_columns_with_names_and_intervals_whole() {
        let regions = regions(20_000);
        let region = regions.iter().find(|region| region.name == "New York Harbour").unwrap();
        let row = |name: &str, (ci_low, ci_high), status| ParameterRow {
            key: GroupKey::region(&region.name),
            name: name.to_owned(),
            unit: String::new(),
            estimate: 0.7655,
            std_error: None,
            ci_low,
            ci_high,
            raw_estimate: None,
            pool_weight: None,
            status,
        };
        let rows = [
            row("acceleration_km_min2", (Some(0.8217), Some(0.9099)), ParameterStatus::Ok),
            row("cruise_speed_kmh", (Some(48.91), None), ParameterStatus::Imprecise),
            row("intercept_min", (None, None), ParameterStatus::AtBound),
        ];
        let truth = published::NEW_YORK_FIRE.value("acceleration_km_min2").unwrap();
        let truths: Vec<Truth<'_>> = rows.iter().map(|row| Truth { region, truth, row }).collect();
        let shown = truth_table(&truths, Some(80));
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        insta::assert_snapshot!(shown, @r"
        region              n  parameter   truth  estimate  95 % interval
        New York Harbour  500  a km/min²  0.7792    0.7655  0.8217–0.9099  outside
        New York Harbour  500  v km/h     0.7792    0.7655         ≥48.91  outside
        New York Harbour  500  t0 min     0.7792    0.7655       at_bound
        ");
    }
}

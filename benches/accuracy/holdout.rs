//! How well every model predicts the latest fifth of the records of real files:
//! `cargo bench --bench accuracy -- holdout FILE [FILE …]`.

use std::fmt::Write as _;

use speedfit::fit::holdout::Scores;
use speedfit::fit::options::{Errors, SpreadModel};
use speedfit::fit::{FitOptions, models};
use speedfit::job::FittedGroup;
use speedfit::job::pool::PoolMode;

use super::incidents;

/// Laws, in words and as options.
fn laws() -> Vec<(&'static str, FitOptions)> {
    let student = Errors::StudentT { dof: None };
    let options = FitOptions::default;
    vec![
        ("normal", options()),
        ("Student t", FitOptions { errors: student, ..options() }),
        ("normal, Budge", FitOptions { spread: SpreadModel::Budge, ..options() }),
        (
            "Student t, Budge",
            FitOptions { errors: student, spread: SpreadModel::Budge, ..options() },
        ),
    ]
}

/// One table a file.
pub(crate) fn run(files: &[String]) -> Result<String, String> {
    if files.is_empty() {
        return Err("holdout needs a file of records".to_owned());
    }
    let mut text = String::new();
    for file in files {
        let source = incidents::source(file);
        let name = file.rsplit('/').next().unwrap_or(file);
        let head =
            "| model | errors | groups | held out | MAE, s | median APE | under P90 | log score |";
        let _ = writeln!(text, "`{name}`\n\n{head}\n|---|---|--:|--:|--:|--:|--:|--:|");
        for model in models::NAMES {
            for (law, options) in laws() {
                let plan = incidents::plan(model, options, PoolMode::Off)?;
                let fitted = incidents::fitted(&plan, &source)?;
                let _ = writeln!(text, "| `{model}` | {law} | {} |", row(&fitted.groups));
            }
        }
        text.push('\n');
    }
    Ok(text)
}

/// Scores of groups with at least 40 records, each group by its records held out.
fn row(groups: &[FittedGroup]) -> String {
    let large = groups.iter().filter(|group| group.n_used >= 40);
    let told = large.filter_map(|group| group.held_out.as_ref()?.as_ref().ok());
    let told: Vec<_> = told.map(|held_out| (held_out.n as f64, held_out.new)).collect();
    let n: f64 = told.iter().map(|(n, _)| n).sum();
    let mean = |of: fn(&Scores) -> f64| told.iter().map(|(k, s)| k * of(s)).sum::<f64>() / n;
    format!(
        "{} | {n} | {:.1} | {:.1} % | {:.1} % | {:.4}",
        told.len(),
        mean(|s| s.mae_s),
        100.0 * mean(|s| s.median_ape),
        100.0 * mean(|s| s.share_under_p90),
        mean(|s| s.log_score)
    )
}

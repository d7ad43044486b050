//! NIST's files: starts, certified values and data of one regression.
//!
//! Knows the layout of the `.dat` files and nothing of functions or of the solver.

use std::fs;
use std::path::Path;

/// One certified parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Certified {
    /// NIST's start 1 and start 2.
    pub(crate) starts: [f64; 2],
    /// Value to eleven digits.
    pub(crate) value: f64,
    /// Standard deviation to eleven digits.
    pub(crate) deviation: f64,
}

/// A file as far as a fit needs it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dataset {
    /// `lower`, `average` or `higher`.
    pub(crate) difficulty: String,
    /// The parameters, in order.
    pub(crate) parameters: Vec<Certified>,
    /// Residual sum of squares.
    pub(crate) ssr: f64,
    /// Residual standard deviation.
    pub(crate) sigma: f64,
    /// Response.
    pub(crate) y: Vec<f64>,
    /// Predictors, one or two per observation.
    pub(crate) x: Vec<Vec<f64>>,
}

impl Dataset {
    /// Reads a file; says what is wrong with it, if so.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        Self::parse(&text).map_err(|what| format!("{}: {what}", file.display()))
    }

    /// Parses the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lines: Vec<&str> = text.lines().collect();
        let (first, last) = data_lines(&lines)?;
        let head = &lines[..first - 1];
        let rows = lines.get(first - 1..last).ok_or("ends before its data do")?;
        let rows = rows.iter().map(|line| numbers(line)).collect::<Result<Vec<_>, _>>()?;
        let dataset = Self {
            difficulty: difficulty(head)?,
            parameters: head
                .iter()
                .filter_map(|line| line.trim_start().strip_prefix('b')?.split_once(" = "))
                .map(|(_, rest)| parameter(rest))
                .collect::<Result<_, _>>()?,
            ssr: labelled(head, "Residual Sum of Squares:")?,
            sigma: labelled(head, "Residual Standard Deviation:")?,
            y: rows.iter().filter_map(|row| row.first().copied()).collect(),
            x: rows.iter().map(|row| row.get(1..).unwrap_or_default().to_vec()).collect(),
        };
        let n_expected = labelled(head, "Number of Observations:")?;
        if dataset.y.len() as f64 != n_expected {
            return Err(format!("{} observations, {n_expected} announced", dataset.y.len()));
        }
        Ok(dataset)
    }

    /// Observations less parameters. The file's own line is not read: Rat43's says 9, while its
    /// certified residual standard deviation stands on 11.
    pub(crate) fn dof(&self) -> f64 {
        self.y.len() as f64 - self.parameters.len() as f64
    }
}

/// First and last line of the data, counted from one, as the head gives them.
fn data_lines(lines: &[&str]) -> Result<(usize, usize), String> {
    let range = (lines.iter().take(15))
        .find_map(|line| line.trim_start().strip_prefix("Data ")?.split_once("(lines "))
        .ok_or("no line says where the data are")?
        .1;
    let (first, last) = range.split_once(" to ").ok_or("no range of data lines")?;
    let parsed = |text: &str| text.trim_matches([' ', ')']).parse::<usize>().ok();
    match (parsed(first), parsed(last)) {
        (Some(first), Some(last)) if 1 < first && first <= last => Ok((first, last)),
        _ => Err(format!("`{range}` is no range of lines")),
    }
}

fn difficulty(head: &[&str]) -> Result<String, String> {
    let line = head.iter().find_map(|line| line.trim().strip_suffix("Level of Difficulty"));
    Ok(line.ok_or("no level of difficulty")?.trim().to_lowercase())
}

fn labelled(head: &[&str], label: &str) -> Result<f64, String> {
    let rest = head.iter().find_map(|line| line.trim().strip_prefix(label));
    let value = rest.and_then(|rest| rest.trim().parse().ok());
    value.ok_or_else(|| format!("no number after `{label}`"))
}

fn parameter(text: &str) -> Result<Certified, String> {
    match numbers(text)?[..] {
        [start_1, start_2, value, deviation] => {
            Ok(Certified { starts: [start_1, start_2], value, deviation })
        }
        _ => Err(format!("`{text}` is not two starts, a value and a deviation")),
    }
}

fn numbers(text: &str) -> Result<Vec<f64>, String> {
    let parsed = |word: &str| word.parse().map_err(|_| format!("`{word}` is no number"));
    text.split_whitespace().map(parsed).collect()
}
